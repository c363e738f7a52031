// Computes an answer again, and says what was found in the words of the light client.

/**
 * Checks `claim` ({ model, prompt, answer, limit, temperature, topK, topP, seed, random }) with an engine. Gives
 * `verdict`, and the `places` that were computed.
 */
export function check(engine, claim, { signal, onProgress } = {}) {
  const { model, prompt, answer, limit, temperature, topK, topP, seed, random } = claim;
  return engine.run(
    model,
    async (loaded, name) => {
      const started = performance.now();
      const sampling = { temperature, topK, topP };
      const found = await loaded.check({ prompt, answer, limit, sampling, seed, random }, onProgress);
      const wrong = found.positions.filter(({ right }) => !right);
      return {
        places: found.positions.map(({ index }) => index),
        verdict: {
          checked: found.positions.length,
          wrong: wrong.map(({ index, found, expected }) => ({ position: index, found, expected })),
          problem: found.faults.join('; '),
          milliseconds: performance.now() - started,
          engine: name,
        },
      };
    },
    { signal },
  );
}
