import { keep, kept } from './kept.ts';

export type Theme = 'system' | 'light' | 'dark';
const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

class Settings {
  #theme = $state<Theme>(THEMES.find((theme) => theme === kept('theme')) ?? 'system');
  #backedUp = $state(kept('backed-up') === 'yes');

  constructor() {
    this.#show();
  }

  get theme(): Theme {
    return this.#theme;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    keep('theme', theme === 'system' ? undefined : theme);
    this.#show();
  }

  /** Whether its user has proved to have the wallet's words. */
  get backedUp(): boolean {
    return this.#backedUp;
  }

  set backedUp(done: boolean) {
    this.#backedUp = done;
    keep('backed-up', done ? 'yes' : undefined);
  }

  #show(): void {
    if (this.#theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.#theme;
  }
}

export const settings = new Settings();
