//! Whatever the input, there is a plan or a list of errors, never a panic.

#[path = "support/catalogue.rs"]
mod catalogue;
#[path = "support/document.rs"]
mod support;

use fltorrent_crds::{ByteSize, Interval, Plan, Quantity, manifest};
use proptest::prelude::*;
use serde_json::{Value, json};

use catalogue::Own;
use support::{manifest as base, put};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3_i64..12).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "[ -~µ]{0,12}".prop_map(Value::from),
        prop_oneof![
            "ring",
            "star",
            "tree",
            "custom",
            "mesh",
            "iid",
            "dirichlet",
            "explicit",
            "10s",
            "1Gi"
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(
                prop_oneof![
                    "type",
                    "star",
                    "tree",
                    "custom",
                    "hub",
                    "edges",
                    "name",
                    "count",
                    "cpu",
                    "key",
                    "emptyDir",
                    "newClaim",
                    "[a-zA-Z]{1,8}"
                ],
                inner,
                0..5
            )
            .prop_map(|map| json!(map)),
        ]
    })
}

const PLACES: [&str; 38] = [
    "^metadata",
    "^metadata/name",
    "^spec",
    "seed",
    "groups",
    "groups/0",
    "groups/0/count",
    "topology",
    "topology/type",
    "topology/star",
    "topology/tree",
    "topology/custom/edges",
    "model",
    "model/mlp/hidden",
    "model/custom/name",
    "model/custom/settings",
    "data",
    "data/custom/settings",
    "data/partition",
    "data/partition/dirichlet",
    "data/partition/explicit/shards",
    "training",
    "training/learningRate",
    "exchange",
    "exchange/memoryBudget",
    "exchange/round/quorum",
    "exchange/round/deadline",
    "liveness/heartbeatTimeout",
    "output",
    "kubernetes",
    "kubernetes/resources/requests",
    "kubernetes/nodeSelector",
    "kubernetes/affinity",
    "kubernetes/volumes",
    "kubernetes/env",
    "kubernetes/storage/output",
    "groups/0/kubernetes",
    "restarts",
];

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = manifest::parse(&text);
        let _ = text.parse::<Interval>();
        let _ = text.parse::<ByteSize>();
        let _ = text.parse::<Quantity>();
    }

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in "([a-z]{1,4}: |- |[\\[\\]{}&*!|>#,:'\"\n ]|[a-z0-9.]{1,4}|\t){0,60}") {
        let _ = Plan::load(&text, &[]);
    }

    #[test]
    fn any_value_in_any_place_is_planned_or_refused(changes in prop::collection::vec((prop::sample::select(&PLACES[..]), any_value()), 1..4)) {
        let mut document = base();
        for (place, value) in changes {
            // A place can be gone when an earlier change took what it was in.
            let fits = std::panic::catch_unwind(|| {
                let mut copy = document.clone();
                put(&mut copy, place, value);
                copy
            });
            if let Ok(copy) = fits {
                document = copy;
            }
        }
        if let Err(errors) = Plan::load_with(&document.to_string(), &[], &Own::default()) {
            prop_assert!(!errors.into_vec().is_empty());
        }
    }

    #[test]
    fn any_setting_is_applied_or_refused(path in "[a-z.\\[\\]0-9]{0,30}", value in "\\PC{0,20}") {
        let _ = Plan::load(&base().to_string(), &[(path, value)]);
    }

    #[test]
    fn sizes_and_intervals_print_as_they_read(bytes in 0..=1_u64 << 50, nanoseconds in 0..1_u64 << 54, thousandths in any::<u32>()) {
        let size: ByteSize = bytes.to_string().parse().unwrap();
        prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
        let quantity = Quantity::from_thousandths(thousandths);
        prop_assert_eq!(quantity.to_string().parse::<Quantity>().unwrap(), quantity);
        let interval: Interval = format!("{nanoseconds}ns").parse().unwrap();
        prop_assert_eq!(interval.to_string().parse::<Interval>().unwrap(), interval);
    }
}
