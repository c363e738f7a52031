// None of it is for the package.
export default {
  mode: 'production',
  entry: './src/main.js',
  output: { filename: 'main.js', clean: true },
  stats: 'errors-warnings',
  performance: { hints: false },
};
