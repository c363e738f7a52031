//! Deals played as games: see `game`.
