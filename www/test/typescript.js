// Lets node's test runner import TypeScript: the types are taken off by the compiler that vite brings.
import { register } from 'node:module';

register('./hooks.js', import.meta.url);
