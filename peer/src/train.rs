//! Training: the only module that knows burn.
