import { exerciseStore } from './exercise-store.js';
import { createMemoryWorld } from './memory-world.js';

exerciseStore('memory', createMemoryWorld, { worlds: 200 });
