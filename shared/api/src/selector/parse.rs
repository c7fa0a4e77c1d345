//! Parses label selectors from query strings.

use super::{Requirement, SelectorError, Test};
use crate::validation::{label_value, qualified_name};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// `(`, `)`, `,`, `!`, `=`, `==`, `!=`, `>`, `<`.
    Mark(&'a str),
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Word(text) | Self::Mark(text) => text,
        }
    }
}

pub(super) fn requirements(selector: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut tokens = Tokens { rest: selector };
    let mut requirements = Vec::new();
    let mut after_comma = false;
    loop {
        match tokens.peek() {
            None if after_comma => return Err(found("", "identifier after ','")),
            None => return Ok(requirements),
            Some(Token::Word(_) | Token::Mark("!")) => {
                requirements.push(requirement(&mut tokens).map_err(in_requirement)?);
            }
            Some(token) => return Err(found(token.text(), "!, identifier, or 'end of string'")),
        }
        match tokens.next() {
            None => return Ok(requirements),
            Some(Token::Mark(",")) => after_comma = true,
            Some(token) => return Err(found(token.text(), "',' or 'end of string'")),
        }
    }
}

fn requirement(tokens: &mut Tokens) -> Result<Requirement, SelectorError> {
    let negated = tokens.peek() == Some(Token::Mark("!"));
    if negated {
        tokens.next();
    }
    let key = match tokens.next() {
        Some(Token::Word(key)) => key.to_owned(),
        token => return Err(found(token.map_or("", Token::text), "identifier")),
    };
    valid("", &key, qualified_name(&key))?;
    let ends = matches!(tokens.peek(), None | Some(Token::Mark(",")));
    let test = match (negated, ends) {
        (true, _) => Test::DoesNotExist,
        (false, true) => Test::Exists,
        (false, false) => operation(tokens, &key)?,
    };
    Ok(Requirement { key, test })
}

fn operation(tokens: &mut Tokens, key: &str) -> Result<Test, SelectorError> {
    let operator = tokens.next().map_or("", Token::text);
    match operator {
        "in" => values(tokens, key).map(Test::In),
        "notin" => values(tokens, key).map(Test::NotIn),
        "=" | "==" => value(tokens, key).map(|value| Test::In(vec![value])),
        "!=" => value(tokens, key).map(|value| Test::NotIn(vec![value])),
        ">" => bound(tokens, key).map(Test::GreaterThan),
        "<" => bound(tokens, key).map(Test::LessThan),
        other => Err(found(other, "in, notin, =, ==, !=, gt, lt")),
    }
}

/// What follows `=`; nothing is the empty value.
fn value(tokens: &mut Tokens, key: &str) -> Result<String, SelectorError> {
    match tokens.peek() {
        None | Some(Token::Mark(",")) => Ok(String::new()),
        Some(Token::Word(word)) => {
            tokens.next();
            valid(key, word, label_value(word))?;
            Ok(word.to_owned())
        }
        Some(token) => Err(found(token.text(), "identifier")),
    }
}

fn bound(tokens: &mut Tokens, key: &str) -> Result<i64, SelectorError> {
    let word = value(tokens, key)?;
    let wrong = || {
        SelectorError(format!(
            "values[0]: Invalid value: {word:?}: for 'Gt', 'Lt' operators, the value must be an integer"
        ))
    };
    word.parse().map_err(|_| wrong())
}

/// `(a, b)`.
fn values(tokens: &mut Tokens, key: &str) -> Result<Vec<String>, SelectorError> {
    match tokens.next() {
        Some(Token::Mark("(")) => {}
        token => {
            let found = token.map_or("", Token::text);
            return Err(SelectorError(format!("found '{found}' expected: '('")));
        }
    }
    if tokens.peek().is_none() {
        return Err(found("", "',', ')' or identifier"));
    }
    let mut values = Vec::new();
    loop {
        match tokens.peek() {
            Some(Token::Word(word)) => {
                tokens.next();
                valid(key, word, label_value(word))?;
                values.push(word.to_owned());
            }
            _ => values.push(String::new()),
        }
        match tokens.next() {
            Some(Token::Mark(",")) => {}
            Some(Token::Mark(")")) => return Ok(values),
            token => return Err(found(token.map_or("", Token::text), "',' or ')'")),
        }
    }
}

fn found(token: &str, expected: &str) -> SelectorError {
    SelectorError(format!("found '{token}', expected: {expected}"))
}

fn valid(key: &str, text: &str, violations: Vec<String>) -> Result<(), SelectorError> {
    let place = if key.is_empty() { "<nil>".to_owned() } else { format!("values[0][{key}]") };
    match violations.first() {
        None => Ok(()),
        Some(why) => Err(SelectorError(format!("{place}: Invalid value: {text:?}: {why}"))),
    }
}

/// Kubernetes says so of what is wrong within a requirement, not between two.
fn in_requirement(error: SelectorError) -> SelectorError {
    SelectorError(format!("unable to parse requirement: {}", error.0))
}

/// Splits a selector into words and marks.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.split().map(|(token, _)| token)
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let (token, rest) = self.split()?;
        self.rest = rest;
        Some(token)
    }

    fn split(&self) -> Option<(Token<'a>, &'a str)> {
        let rest = self.rest.trim_start();
        let special = |c: char| matches!(c, '(' | ')' | ',' | '!' | '=' | '<' | '>');
        if rest.is_empty() {
            return None;
        }
        if let Some(mark) = ["==", "!="].into_iter().find(|mark| rest.starts_with(mark)) {
            let (mark, rest) = rest.split_at(mark.len());
            return Some((Token::Mark(mark), rest));
        }
        if rest.starts_with(special) {
            let (mark, rest) = rest.split_at(1);
            return Some((Token::Mark(mark), rest));
        }
        let end = rest.find(|c: char| special(c) || c.is_whitespace()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        Some((Token::Word(word), rest))
    }
}
