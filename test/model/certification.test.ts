import { exploreEveryScenario } from './every-scenario.js';

exploreEveryScenario('certification');
