//! Verdicts under every pattern of demand.
