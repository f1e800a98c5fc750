//! The kinds of value a key may have.

use toml::de::{DeArray, DeTable, DeValue};

/// A key written as `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    On,
    Off,
}

/// Turns a value into what is wanted, or says what it is instead.
pub(super) type Reader<'t, T> = fn(&'t DeValue<'t>) -> Result<T, &'static str>;

pub(super) fn as_text<'t>(value: &'t DeValue<'t>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        other => Err(kind_of(other)),
    }
}

pub(super) fn as_integer<'t>(value: &'t DeValue<'t>) -> Result<i64, &'static str> {
    match value {
        DeValue::Integer(digits) => {
            i64::from_str_radix(digits.as_str(), digits.radix()).map_err(|_| "is too large")
        }
        other => Err(kind_of(other)),
    }
}

pub(super) fn as_switch<'t>(value: &'t DeValue<'t>) -> Result<Switch, &'static str> {
    match value {
        DeValue::Boolean(true) => Ok(Switch::On),
        DeValue::Boolean(false) => Ok(Switch::Off),
        other => Err(kind_of(other)),
    }
}

pub(super) fn as_array<'t>(value: &'t DeValue<'t>) -> Result<&'t DeArray<'t>, &'static str> {
    value.as_array().ok_or(kind_of(value))
}

pub(super) fn as_table<'t>(value: &'t DeValue<'t>) -> Result<&'t DeTable<'t>, &'static str> {
    value.as_table().ok_or(kind_of(value))
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "is a text",
        DeValue::Integer(_) => "is a number",
        DeValue::Float(_) => "is a number with a fraction",
        DeValue::Boolean(_) => "is true or false",
        DeValue::Datetime(_) => "is a date",
        DeValue::Array(_) => "is a list",
        DeValue::Table(_) => "is a table",
    }
}
