// A prompt on its way to the nodes: read by the model's tokenizer, priced, offered.

import { aborted, CamelidError } from './errors.js';
import { settings } from './request.js';

/** What `request` would cost, as `light` says; `texts` is the engine that reads. */
export async function estimate(light, texts, request) {
  const { model, prompt, limit, reward } = settings(request);
  const read = await readPrompt(texts, model, prompt);
  // A tokenizer makes at most one token of a byte, and one at the start.
  const promptTokens = read?.tokens.length ?? new TextEncoder().encode(prompt).length + 1;
  const found = await light.estimate({ model, promptTokens, limit, reward });
  // What nobody serves cannot be had either.
  const problem = found.problem?.code === 'nobody-serves' ? found.problem : (problemOf(read, limit) ?? found.problem);
  return { ...found, promptTokens: read?.tokens.length, problem };
}

/** Offers `request` to the nodes; gives the job's id. */
export async function submit(light, texts, request, signal) {
  const job = settings(request);
  const read = await readPrompt(texts, job.model, job.prompt, signal);
  const problem = problemOf(read, job.limit);
  if (problem) throw new CamelidError('refused', problem.reason);
  if (signal?.aborted) throw aborted();
  return light.submit({ ...job, tokens: read.tokens });
}

// The prompt's tokens and the model's context; nothing where the model is not here.
async function readPrompt(texts, root, prompt, signal) {
  try {
    const use = async (model) => ({ tokens: await model.prompt(prompt), context: model.info.context });
    return await texts.run(root, use, { signal });
  } catch (error) {
    if (error.code === 'not-found') return undefined;
    throw error;
  }
}

function problemOf(read, limit) {
  if (!read) {
    const reason = 'Its tokenizer reads the prompt, and the answer is checked with it: download the model first.';
    return { code: 'model-not-here', reason };
  }
  const { tokens, context } = read;
  if (tokens.length + limit <= context) return undefined;
  const found = `${tokens.length} and up to ${limit}`;
  const reason = `The model takes ${context} tokens of prompt and answer; these are ${found}.`;
  return { code: 'too-long', reason };
}
