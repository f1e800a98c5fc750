//! As much of JSON Schema as the description of the admin pages uses. A word that is not known here fails the
//! test: it would be no check.

use serde_json::Value;

/// What does not fit, each with its place; nothing when all does.
pub(super) fn misfits(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (word, wanted) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "description" | "default" => true,
            "$ref" => {
                let place = wanted.as_str().unwrap().trim_start_matches('#');
                let schema = document
                    .pointer(place)
                    .expect("the reference leads somewhere");
                check(document, schema, value, at, found);
                true
            }
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|one| is(value, one)),
                one => is(value, one),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "oneOf" => {
                let fits = |one: &&Value| misfits(document, one, value).is_empty();
                wanted.as_array().unwrap().iter().filter(fits).count() == 1
            }
            "required" => {
                let names = wanted.as_array().unwrap().iter();
                let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                !value.is_object() || names.clone().all(has)
            }
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(inner) = value.get(name) {
                        check(document, schema, inner, &format!("{at}/{name}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(*wanted, false);
                let known = schema["properties"].as_object().unwrap();
                let members = value.as_object();
                members.is_none_or(|members| members.keys().all(|name| known.contains_key(name)))
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, wanted, item, &format!("{at}/{number}"), found);
                }
                true
            }
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minLength" | "maxLength" => {
                let length = value.as_str().map(|text| text.chars().count() as u64);
                let limit = wanted.as_u64().unwrap();
                length.is_none_or(|length| match word.as_str() {
                    "minLength" => length >= limit,
                    _ => length <= limit,
                })
            }
            other => panic!("{at}: the word {other} is not checked"),
        };
        if !fits {
            found.push(format!("{at}: {word}: {wanted} does not fit {value}"));
        }
    }
}

fn is(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("there is no type {other}"),
    }
}

#[test]
fn each_word_of_a_schema_can_fail() {
    use serde_json::json;
    let document = json!({ "a": { "type": "string" } });
    let cases = [
        (json!({ "type": "string" }), json!("x"), json!(1)),
        (
            json!({ "type": ["integer", "null"] }),
            json!(null),
            json!(1.5),
        ),
        (json!({ "const": true }), json!(true), json!(false)),
        (json!({ "enum": ["a", "b"] }), json!("b"), json!("c")),
        (
            json!({ "oneOf": [{ "type": "null" }, { "type": "string" }] }),
            json!(null),
            json!(1),
        ),
        (json!({ "required": ["x"] }), json!({ "x": 1 }), json!({})),
        (
            json!({ "properties": { "x": { "type": "null" } } }),
            json!({}),
            json!({ "x": 1 }),
        ),
        (
            json!({ "properties": {}, "additionalProperties": false }),
            json!({}),
            json!({ "x": 1 }),
        ),
        (
            json!({ "items": { "type": "null" } }),
            json!([]),
            json!([1]),
        ),
        (json!({ "minimum": 2 }), json!(2), json!(1)),
        (json!({ "maximum": 2 }), json!(2), json!(3)),
        (json!({ "minLength": 1 }), json!("x"), json!("")),
        (json!({ "maxLength": 1 }), json!("x"), json!("xy")),
        (json!({ "$ref": "#/a" }), json!("x"), json!(1)),
    ];
    for (schema, good, bad) in cases {
        assert_eq!(
            misfits(&document, &schema, &good),
            Vec::<String>::new(),
            "{schema}"
        );
        assert!(
            !misfits(&document, &schema, &bad).is_empty(),
            "{schema} takes {bad}"
        );
    }
}
