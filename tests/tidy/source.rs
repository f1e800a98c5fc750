//! Reading Rust just well enough: code without its comments and its unit tests.

/// The code of a file: comments blanked, and cut where its unit tests begin.
pub(super) fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    without_comments(&text[..end])
}

/// Blanks line comments, with an eye on strings that contain two slashes.
pub(super) fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        code.push_str(&line[..comment_start(line)]);
        code.push('\n');
    }
    code
}

/// Where a word stands that is not the end of a longer one.
pub(super) fn positions(code: &str, word: &str) -> Vec<usize> {
    let whole = |&at: &usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(whole)
        .collect()
}

/// The number of the line at a position.
pub(super) fn line(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// What stands between the bracket at the start of `code` and its partner.
pub(super) fn bracketed(code: &str) -> &str {
    let mut depth = 0_usize;
    for (at, character) in outside_strings(code) {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return &code[1..at];
                }
            }
            _ => {}
        }
    }
    code.get(1..).unwrap_or_default()
}

/// The parts between the commas that stand in no bracket and no string.
pub(super) fn arguments(code: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, character) in outside_strings(code) {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(code[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(code[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn comment_start(line: &str) -> usize {
    let slashes = outside_strings(line).collect::<Vec<_>>();
    slashes
        .windows(2)
        .find(|pair| pair[0].1 == '/' && pair[1].1 == '/' && pair[0].0 + 1 == pair[1].0)
        .map_or(line.len(), |pair| pair[0].0)
}

/// The characters that are in no string and no character literal.
fn outside_strings(code: &str) -> impl Iterator<Item = (usize, char)> {
    let mut inside = false;
    let mut escaped = false;
    code.char_indices().filter(move |&(at, character)| {
        if inside {
            inside = escaped || character != '"';
            escaped = !escaped && character == '\\';
            return false;
        }
        // A quote or bracket as a character literal stands between two apostrophes.
        let literal = code[..at].ends_with(['\'', '\\']) && code[at..].chars().nth(1) == Some('\'');
        inside = character == '"' && !literal;
        !inside && !literal
    })
}

mod tests {
    use super::*;

    #[test]
    fn comments_and_unit_tests_are_no_code() {
        let text =
            "let a = \"http://x\"; // why\nlet b = '\"'; // \"c\n#[cfg(test)]\nmod tests { x }";
        assert_eq!(code(text), "let a = \"http://x\"; \nlet b = '\"'; \n");
    }

    #[test]
    fn arguments_are_parted_by_their_own_commas_only() {
        let all = bracketed("(a, f(b, c), \"d, )e\", '(', x) rest");
        assert_eq!(arguments(all), ["a", "f(b, c)", "\"d, )e\"", "'('", "x"]);
    }

    #[test]
    fn a_word_is_not_the_end_of_a_longer_one() {
        assert_eq!(positions("fastrand::u8() rand::u8()", "rand::"), [15]);
    }
}
