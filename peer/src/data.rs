//! The data sets that a peer trains and evaluates on.
