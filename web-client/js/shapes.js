// What the light client tells, in the shapes of index.d.ts: it counts time in Unix seconds, the package gives dates.

const date = (seconds) => (seconds === undefined ? undefined : new Date(seconds * 1000));

export const seconds = (when) => Math.floor(when.getTime() / 1000);

export const balanceOf = (balance) => ({
  ...balance,
  inJobs: balance.inJobs.map((job) => ({ ...job, returnsAbout: date(job.returnsAbout) })),
});

export const historyOf = (entries) => entries.map((entry) => ({ ...entry, time: date(entry.time) }));

export const blockOf = (block) => ({ ...block, time: date(block.time) });

/** A status; what the browser says of its storage stands before what the light client knows. */
export const statusOf = (status, storage) => ({
  ...status,
  tipTime: date(status.tipTime),
  blocks: status.blocks.map(blockOf),
  warnings: status.warnings.map((warning) => ({ ...warning, at: date(warning.at) })),
  storage: { used: 0, persistent: false, ...status.storage, ...storage },
});

export const stateEvent = ({ state, at, note }) => ({ type: 'state', state, at: date(at), note });

export const createdOf = (view) => date(view.created);

/** The report on a verdict over an answer of `total` tokens. */
export const reportOf = ({ checked, wrong, problem, engine, milliseconds }, total) => ({
  valid: !wrong.length && !problem,
  complete: total > 0 && checked === total,
  checked,
  total,
  engine,
  milliseconds,
  faults: problem ? [problem] : [],
});
