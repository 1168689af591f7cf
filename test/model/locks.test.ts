import { exploreEveryScenario } from './every-scenario.js';

exploreEveryScenario('locks');
