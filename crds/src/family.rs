//! A family is one choice of the manifest with its variants, each defined once in a module of its own.
//!
//! A variant is a type: its doc comment is the sentence that describes it, its fields are its settings with their bounds, and it
//! implements [`Settings`] and what its family asks of it. One line of `family!` registers it. The manifest's form, the schema with
//! its rules, the names on the command line, the questions of `fltorrent init` and the tables of the documentation follow.
//!
//! In a manifest a choice is `{type: tree, tree: {arity: 2}}`: `type` names the member that holds the settings. In a
//! [`crate::Plan`] it is flat, `{"type": "step", "rounds": 10, "factor": 0.1}` ([`flat`]).

pub mod flat;
mod form;
mod schema;
mod yaml;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) use form::{read, write};
pub(crate) use schema::{plain, schema};
pub use yaml::yaml;

/// The settings of a variant: a unit struct where there are none.
pub trait Settings: Serialize + DeserializeOwned + JsonSchema {
    /// Settings to start from; none where the numbers alone do not lead to any. For few peers they may be impossible, which the plan
    /// says.
    fn example(_sketch: &Sketch) -> Option<Self> {
        None
    }

    /// What tells two uses apart in a few words, such as `4` in `randomRegular(4)`; none where the name says it all.
    fn brief(&self) -> Option<String> {
        None
    }
}

/// What is known of an experiment before it is written.
#[derive(Clone, Copy, Debug)]
pub struct Sketch {
    /// Peers, at least 1.
    pub peers: u32,
    /// Training samples; none when only the files say it.
    pub samples: Option<u32>,
    /// Whether the data is a table, whose columns have names.
    pub is_table: bool,
}

/// A choice of the manifest.
pub trait Family: Sized + fmt::Debug + 'static {
    /// What the choice is about, as the schema describes it.
    const ABOUT: &'static str;
    /// The variant that stands where `type` is left out.
    const DEFAULT: Option<&'static str>;
    /// All variants, in the order of the schema.
    const VARIANTS: &'static [Variant<Self>];

    /// The variant that is chosen.
    fn variant(&self) -> &'static Variant<Self>;

    /// The settings as the manifest has them; null where there are none.
    ///
    /// # Errors
    /// When a setting is nothing that JSON has.
    fn settings(&self) -> Result<Value, serde_json::Error>;

    /// What tells two uses apart, see [`Settings::brief`].
    fn brief(&self) -> Option<String>;

    /// The name in the manifest.
    fn name(&self) -> &'static str {
        self.variant().name
    }

    /// The name, with the settings that tell two uses apart: `randomRegular(4)`.
    fn describe(&self) -> String {
        match self.brief() {
            Some(brief) => format!("{}({brief})", self.name()),
            None => self.name().to_owned(),
        }
    }

    /// The variant of this name.
    fn named(name: &str) -> Option<&'static Variant<Self>> {
        Self::VARIANTS.iter().find(|variant| variant.name == name)
    }

    /// Each variant that has settings to start from, with them.
    fn examples(sketch: &Sketch) -> Vec<Self> {
        let example = |variant: &Variant<Self>| (variant.example)(sketch);
        Self::VARIANTS.iter().filter_map(example).collect()
    }
}

/// An entry of a family.
pub struct Variant<F> {
    /// Its name in the manifest.
    pub name: &'static str,
    /// Whether it has settings.
    pub has_settings: bool,
    /// Settings to start from.
    pub example: fn(&Sketch) -> Option<F>,
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) read: fn(Value) -> Result<F, serde_json::Error>,
}

impl<F> Variant<F> {
    /// The sentence that describes it, without a full stop.
    pub fn summary(&self) -> String {
        let text = schema::description(&(self.schema)(&mut SchemaGenerator::default()));
        let first = text.split(". ").next().unwrap_or_default();
        first.trim_end_matches('.').to_owned()
    }
}

impl<F> fmt::Debug for Variant<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Whether a variant has settings: a unit struct has none.
pub(crate) const fn has_settings<T>() -> bool {
    size_of::<T>() > 0
}

/// Makes the enum of a family from its variants, which are types of the same names in scope: `"star" => Star` registers one.
/// `dyn Trait` is what the family asks of each.
///
/// Where the plan has more of a variant than its settings, or less, the family names a second enum for it, and each line the type that
/// a variant is there: `"csv" => Csv as CsvPlan`. What is asked of that is asked of the enum itself.
macro_rules! family {
    (
        $(#[doc = $about:literal])+
        $vis:vis enum $family:ident: dyn $kind:path, plan $plan:ident: dyn $planned:path {
            $($name:literal => $variant:ident as $form:ty,)+
        }
    ) => {
        family! {
            $(#[doc = $about])+
            $vis enum $family: dyn $kind {
                $($name => $variant,)+
            }
        }

        impl $family {
            #[allow(dead_code, reason = "a family may change nothing")]
            fn as_dyn_mut(&mut self) -> &mut dyn $kind {
                match self {
                    $(Self::$variant(settings) => settings,)+
                }
            }
        }

        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(tag = "type")]
        $vis enum $plan {
            $(
                #[doc = concat!("`", $name, "`.")]
                #[serde(rename = $name)]
                $variant($form),
            )+
        }

        impl std::ops::Deref for $plan {
            type Target = dyn $planned;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$variant(form) => form,)+
                }
            }
        }

        impl std::ops::DerefMut for $plan {
            fn deref_mut(&mut self) -> &mut Self::Target {
                match self {
                    $(Self::$variant(form) => form,)+
                }
            }
        }

        $(
            impl From<$form> for $plan {
                fn from(form: $form) -> Self {
                    Self::$variant(form)
                }
            }
        )+
    };
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:path),+)])?
        $vis:vis enum $family:ident: dyn $kind:path $(, default $default:literal)? {
            $($name:literal => $variant:ident,)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq $(, $($derive),+)?)]
        $vis enum $family {
            $(
                #[doc = concat!("`", $name, "`.")]
                $variant($variant),
            )+
        }

        impl $family {
            /// What the family asks of each variant.
            #[allow(dead_code, reason = "a family may ask nothing")]
            pub(crate) fn as_dyn(&self) -> &dyn $kind {
                match self {
                    $(Self::$variant(settings) => settings,)+
                }
            }
        }

        impl $crate::family::Family for $family {
            const ABOUT: &'static str = concat!($($about, "\n"),+);
            const DEFAULT: Option<&'static str> = family!(@default $($default)?);
            const VARIANTS: &'static [$crate::family::Variant<Self>] = &[
                $($crate::family::Variant {
                    name: $name,
                    has_settings: $crate::family::has_settings::<$variant>(),
                    example: |sketch| {
                        <$variant as $crate::family::Settings>::example(sketch).map(Self::$variant)
                    },
                    schema: <$variant as schemars::JsonSchema>::json_schema,
                    read: |value| serde_json::from_value(value).map(Self::$variant),
                },)+
            ];

            fn variant(&self) -> &'static $crate::family::Variant<Self> {
                enum Place {
                    $($variant,)+
                }
                let place = match self {
                    $(Self::$variant(_) => Place::$variant,)+
                };
                &Self::VARIANTS[place as usize]
            }

            fn settings(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self {
                    $(Self::$variant(settings) => serde_json::to_value(settings),)+
                }
            }

            fn brief(&self) -> Option<String> {
                match self {
                    $(Self::$variant(settings) => $crate::family::Settings::brief(settings),)+
                }
            }
        }

        $(
            impl From<$variant> for $family {
                fn from(settings: $variant) -> Self {
                    Self::$variant(settings)
                }
            }
        )+

        impl serde::Serialize for $family {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::family::write(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $family {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::family::read(deserializer)
            }
        }

        impl schemars::JsonSchema for $family {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($family).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::family::schema::<Self>(generator)
            }
        }
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}
pub(crate) use family;
