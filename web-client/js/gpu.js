// Where the GPU engine lies. Packaging writes another file of this name where the engine was not built, since bundlers
// look for what is named here.

/** URLs of the GPU engine's module; nothing where the package has none. */
export const gpuEngine = () => ({
  module: new URL('./gpu/camelid_web_gpu.js', import.meta.url),
  wasm: new URL('./gpu/camelid_web_gpu_bg.wasm', import.meta.url),
});
