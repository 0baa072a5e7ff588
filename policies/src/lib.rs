//! Policy: schema, composition, compilation, evaluation, lints.
