/** The time for texts like "2 minutes ago": one timer for all of them. */
class Clock {
  now = $state.raw(new Date());

  constructor() {
    setInterval(() => (this.now = new Date()), 10_000);
  }
}

export const clock = new Clock();
