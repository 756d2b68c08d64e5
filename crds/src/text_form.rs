//! What every value has that a manifest writes as a text of one form.

/// Reads a type by its `FromStr` with the given error, writes it as it displays, and describes it to the API server by the
/// module's `PATTERN` and `MAX_LENGTH`.
macro_rules! text_form {
    ($value:ident, $error:ident) => {
        impl TryFrom<std::borrow::Cow<'_, str>> for $value {
            type Error = $error;

            fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$value> for String {
            fn from(value: $value) -> Self {
                value.to_string()
            }
        }

        impl schemars::JsonSchema for $value {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($value).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": PATTERN, "maxLength": MAX_LENGTH})
            }
        }
    };
}
