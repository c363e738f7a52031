/** A new version of the page, once it lies ready. */
class Update {
  #waiting = $state.raw<ServiceWorker>();

  get ready(): boolean {
    return this.#waiting !== undefined;
  }

  /** Installs what makes the page usable without a network. */
  async watch(): Promise<void> {
    const registration = await navigator.serviceWorker.register('./service-worker.js');
    const look = () => {
      // Without a controller it is the first visit: the page is as new as its worker.
      if (registration.waiting && navigator.serviceWorker.controller) this.#waiting = registration.waiting;
    };
    look();
    registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', look));
    const { active } = await navigator.serviceWorker.ready;
    active?.postMessage({ loaded: performance.getEntriesByType('resource').map(({ name }) => name) });
  }

  use(): void {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    this.#waiting?.postMessage('use-now');
  }
}

export const update = new Update();
