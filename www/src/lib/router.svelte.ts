import { readRoute } from './route.ts';

class Router {
  path = $state(location.hash);
  route = $derived(readRoute(this.path));

  constructor() {
    addEventListener('hashchange', () => {
      this.path = location.hash;
      scrollTo(0, 0);
    });
  }

  go(link: string): void {
    location.hash = link;
  }
}

export const router = new Router();
