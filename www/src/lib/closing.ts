import { app } from './app.svelte.ts';

/** Asks before the tab is closed while a paid job is not settled. */
export function warnBeforeClosing(): void {
  addEventListener('beforeunload', (event) => {
    if (app.atStake.length) event.preventDefault();
  });
}
