export default {
  base: './',
  build: { target: 'es2022' },
  // The development server would else move the package's modules away from their WASM.
  optimizeDeps: { exclude: ['camelidcoin'] },
};
