//! A program with networks and a data set of its own.
#![allow(dead_code, unreachable_pub, reason = "every test crate takes what it needs")]

use fltorrent_crds::{
    FieldError,
    catalogue::{Catalogue, Form, Task},
    plan::TensorPlan,
};
use serde_json::{Map, Value};

/// The networks `wide` and `narrow`, which take a `width` of 1 to 9 and are of as many rows; the tensors of `given` are
/// these; the data set `grid` takes a `side`, and that of `formed` is this.
#[derive(Default)]
pub struct Own {
    pub given: Vec<TensorPlan>,
    pub formed: Option<Form>,
}

impl Catalogue for Own {
    fn networks(&self) -> Vec<&str> {
        vec!["given", "narrow", "wide"]
    }

    fn tensors(
        &self,
        name: &str,
        settings: &Map<String, Value>,
        task: &Task,
    ) -> Option<Result<Vec<TensorPlan>, FieldError>> {
        if name == "given" {
            return Some(Ok(self.given.clone()));
        }
        let rows = match name {
            "wide" => 100,
            "narrow" => 1,
            _ => return None,
        };
        let width = match settings.get("width") {
            None => 1,
            Some(value) => match value.as_u64() {
                Some(width @ 1..=9) => width,
                _ => {
                    let error = FieldError::new("width", format!("{value} is no width"), "1 to 9");
                    return Some(Err(error));
                }
            },
        };
        if settings.contains_key("bad") {
            return Some(Err(FieldError::new("", "are bad", "write others")));
        }
        Some(Ok(vec![
            TensorPlan::new("in", [width, task.input_len()]),
            TensorPlan::new("out", [u64::from(task.classes) * rows, width]),
        ]))
    }

    fn data_sets(&self) -> Vec<&str> {
        vec!["formed", "grid"]
    }

    fn data_set(&self, name: &str, settings: &Map<String, Value>) -> Option<Result<Form, FieldError>> {
        match name {
            "grid" => {
                let side = settings.get("side").and_then(Value::as_u64).unwrap_or(3);
                Some(Ok(Form {
                    input_shape: vec![side as u32; 2],
                    classes: 4,
                }))
            }
            "formed" => Some(Ok(self.formed.clone().unwrap_or_else(|| Form {
                input_shape: vec![3, 3],
                classes: 4,
            }))),
            _ => None,
        }
    }
}
