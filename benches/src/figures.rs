//! What is said of many measurements.
//!
//! The rule: no means, which one bad moment of the machine moves.

/// The value below which the share `q` (0 to 1) of `values` lies; sorts them. 0 when there is none.
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    let at = (q.clamp(0.0, 1.0) * last as f64).round() as usize;
    values[at.min(last)]
}

/// The value in the middle; sorts them.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut values = [3.0, 1.0, 2.0];
        assert_eq!(median(&mut values), 2.0);
        assert_eq!((quantile(&mut values, 0.0), quantile(&mut values, 1.0)), (1.0, 3.0));
        assert_eq!(median(&mut []), 0.0);
    }
}
