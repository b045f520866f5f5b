//! Summaries of samples: medians and their order-statistic intervals. Pure arithmetic.
