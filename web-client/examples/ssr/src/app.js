// Runs on the server and in the browser; both import the package.

import { CamelidError, open } from 'camelidcoin';

/** The app's HTML for a status. */
export const render = (status) => `<h1>camelidcoin</h1><p id="status" role="status">${status}</p>`;

/** Opens the client and calls back with each status; on a server it says so. */
export async function follow(options, show) {
  try {
    const client = await open(options);
    const tell = () => {
      const { sync, height, peers } = client.status();
      show(`${sync.state}: block ${height}, ${peers.length} nodes, wallet ${client.wallet}`);
    };
    client.onChange(tell);
    tell();
  } catch (error) {
    if (!(error instanceof CamelidError)) throw error;
    show(`${error.code}: ${error.message}`);
  }
}
