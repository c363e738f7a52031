//! The residual stream.

/// `x = x + y`, each element saturating.
pub fn add(x: &mut [i32], y: &[i32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = x.saturating_add(*y);
    }
}
