//! Data sets that the program brings itself: what its catalogue says, checked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DataSet, MAX_INPUT, Resolved, SourceSettings};
use crate::{
    catalogue::{Catalogue, Form},
    custom::Custom,
    errors::quote,
    findings::Findings,
};

impl SourceSettings for Custom {
    fn resolve(&self, catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<Resolved> {
        let Form { input_shape, classes } = self.answer(
            catalogue.data_set(&self.name, &self.settings),
            ("data.custom", "data set"),
            &catalogue.data_sets(),
            findings,
        )?;
        let values = input_shape.iter().try_fold(1u64, |values, &extent| {
            values
                .checked_mul(extent.into())
                .filter(|values| (1..=u64::from(MAX_INPUT)).contains(values))
        });
        let mut refuse = |found: String, expected: String| {
            let found = format!("the data set {} has {found}", quote(&self.name));
            findings.error("data.custom", found, expected);
        };
        if values.is_none() || !(1..=3).contains(&input_shape.len()) {
            refuse(
                format!("inputs of the shape {input_shape:?}"),
                format!("one to three extents with at most {MAX_INPUT} values in all will do"),
            );
            return None;
        }
        if !(2..=256).contains(&classes) {
            refuse(format!("{classes} classes"), "2 to 256 will do".to_owned());
            return None;
        }
        let plan = CustomPlan {
            name: self.name.clone(),
            settings: self.settings.clone(),
        };
        Some(Resolved {
            source: plan.into(),
            input_shape,
            classes,
        })
    }
}

/// A data set that the program brings itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomPlan {
    /// The name under which the program registered it.
    pub name: String,
    /// What it is given.
    pub settings: Map<String, Value>,
}

impl DataSet for CustomPlan {
    fn brief(&self) -> String {
        self.name.clone()
    }
}
