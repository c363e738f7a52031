import { lacks, open, type Client, type Job, type ModelOffer } from 'camelidcoin';
import { codeOf } from './errors.ts';
import { isAtStake, isOver } from './job.ts';

type Topic = Parameters<Parameters<Client['onChange']>[0]>[0];
export type Lack = Awaited<ReturnType<typeof lacks>>[number];

/** The client's state, as views can watch it. */
class App {
  phase = $state<'opening' | 'open' | 'elsewhere' | 'failed'>('opening');
  failure = $state.raw<unknown>();
  missing = $state.raw<Lack[]>([]);
  /** While the first visit's steps go on, although there is a wallet from the second step. */
  welcoming = $state(false);
  models = $state.raw<ModelOffer[]>();

  #client = $state.raw<Client>();
  // How often each has changed: the client's getters are plain functions, so this is what is watched.
  #changes = $state<Record<Topic, number>>({ wallet: 0, balance: 0, history: 0, jobs: 0, status: 0, models: 0 });

  wallet = $derived(this.#read('wallet', (client) => client.wallet));
  balance = $derived(this.#read('balance', (client) => client.balance()));
  history = $derived(this.#read('history', (client) => client.history()));
  status = $derived(this.#read('status', (client) => client.status()));
  jobs = $derived(this.#read('jobs', (client) => client.jobs().map(summary)));
  atStake = $derived(this.jobs?.filter(({ state }) => isAtStake(state)) ?? []);

  /** For actions; views that need it are only there while it is open. */
  get client(): Client {
    if (!this.#client) throw new Error('the wallet is not open yet');
    return this.#client;
  }

  async start(takeOver = false): Promise<void> {
    this.phase = 'opening';
    lacks().then(
      (missing) => (this.missing = missing),
      () => {},
    );
    try {
      const client = await open({ takeOver });
      client.onChange((what) => this.#changed(what));
      client.closed.then((why) => {
        if (why === 'taken-over') this.phase = 'elsewhere';
      });
      this.#client = client;
      this.phase = 'open';
      this.welcoming = client.wallet === 'none';
      this.#changed('models');
    } catch (error) {
      this.failure = error;
      this.phase = codeOf(error) === 'in-use' ? 'elsewhere' : 'failed';
    }
  }

  job(id: string): Job | undefined {
    return this.#read('jobs', (client) => client.jobs().find((job) => job.id === id));
  }

  /** A job that goes on, if there is one: the one whose money is at stake first. */
  get unfinished(): Summary | undefined {
    return this.atStake[0] ?? this.jobs?.find(({ state }) => !isOver(state));
  }

  #read<T>(topic: Topic, get: (client: Client) => T): T | undefined {
    void this.#changes[topic];
    return this.#client && get(this.#client);
  }

  #changed(what: Topic): void {
    this.#changes[what]++;
    // A list that cannot be had keeps its last state; why is in the status, which is shown.
    if (what === 'models')
      this.#client?.models().then(
        (models) => (this.models = models),
        () => {},
      );
  }
}

/** A job as lists show it. The job itself changes in place, and nobody could watch that. */
function summary(job: Job) {
  const { id, request, created, state, verdict } = job;
  return { id, prompt: request.prompt, created, state, verdict };
}
export type Summary = ReturnType<typeof summary>;

export const app = new App();
