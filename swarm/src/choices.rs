//! A family of rules of which a manifest names one: one line a rule, from which everything else follows.

/// Makes the enum of a family. A line has the variant, the name that manifests use, and the module of the rule, which has
/// `SENTENCE`, what it does, in words that follow a colon, and `rule()`. The first line is the default.
macro_rules! choices {
    (
        #[doc = $question:literal]
        pub enum $Family:ident of $Rule:ty {
            $($Variant:ident = $name:tt in $module:ident,)+
        }
    ) => {
        #[doc = $question]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[schemars(inline)]
        #[allow(missing_docs, reason = "a described variant would turn the schema into a oneOf")]
        pub enum $Family {
            $(#[serde(rename = $name)] $Variant,)+
        }

        impl $Family {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$Variant,)+];

            /// How a manifest names it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }

            /// Its effect, in one sentence.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$Variant => $module::SENTENCE,)+
                }
            }

            /// The subject of the choice, and each name with its sentence.
            pub fn description() -> String {
                let one = |choice: &Self| format!("{}: {}", choice.name(), choice.sentence());
                let all: Vec<String> = Self::ALL.iter().map(one).collect();
                format!("{} {}.", $question.trim(), all.join("; "))
            }

            pub(crate) fn rule(self) -> $Rule {
                match self {
                    $(Self::$Variant => $module::rule(),)+
                }
            }
        }

        impl Default for $Family {
            fn default() -> Self {
                Self::ALL[0]
            }
        }
    };
}

pub(crate) use choices;
