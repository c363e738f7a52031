// The package `camelidcoin`. Types and words: index.d.ts. Nothing here or in what it imports touches the browser
// before it is called, so that it can be imported during server-side rendering.

export { CamelidError } from './errors.js';
export { lacks } from './lacks.js';
export { open } from './open.js';
