//! Whole-product scenarios, black box.
