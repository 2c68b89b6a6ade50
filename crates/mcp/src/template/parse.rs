//! Reads the notation.

use super::{Modifier, Operator, Part, Template, TemplateError, Variable};

pub(super) fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    if text.len() > Template::BYTES_MAX {
        return Err(TemplateError::TooLong);
    }
    let mut parts = Vec::new();
    let mut variables_left = Template::VARIABLES_MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        if let Some(inner) = rest.strip_prefix('{') {
            let (inner, after) = inner.split_once('}').ok_or(TemplateError::UnbalancedBrace { at })?;
            let (operator, variables) = expression(inner, at)?;
            variables_left =
                variables_left.checked_sub(variables.len()).ok_or(TemplateError::TooManyVariables)?;
            parts.push(Part::Expression { operator, variables });
            rest = after;
        } else {
            let (literal, after) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
            if let Some(brace) = literal.find('}') {
                return Err(TemplateError::UnbalancedBrace { at: at + brace });
            }
            parts.push(Part::Literal(literal.to_owned()));
            rest = after;
        }
    }
    Ok(parts)
}

fn expression(inner: &str, at: usize) -> Result<(Operator, Vec<Variable>), TemplateError> {
    if let Some(brace) = inner.find('{') {
        return Err(TemplateError::UnbalancedBrace { at: at + 1 + brace });
    }
    let operator = match inner.chars().next() {
        Some('+') => Operator::Reserved,
        Some('#') => Operator::Fragment,
        Some('.') => Operator::Label,
        Some('/') => Operator::Path,
        Some(';') => Operator::Parameter,
        Some('?') => Operator::Query,
        Some('&') => Operator::Continuation,
        Some(operator @ ('=' | ',' | '!' | '@' | '|')) => {
            return Err(TemplateError::UnknownOperator { operator, at: at + 1 });
        }
        _ => Operator::Simple,
    };
    let list = if operator == Operator::Simple { inner } else { &inner[1..] };
    let variables = list.split(',').map(|text| variable(text, at)).collect::<Result<_, _>>()?;
    Ok((operator, variables))
}

fn variable(text: &str, at: usize) -> Result<Variable, TemplateError> {
    let (name, modifier) = if let Some(name) = text.strip_suffix('*') {
        (name, Modifier::Explode)
    } else if let Some((name, length)) = text.split_once(':') {
        (name, Modifier::Prefix(prefix_length(length).ok_or(TemplateError::InvalidModifier { at })?))
    } else {
        (text, Modifier::None)
    };
    let character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'%');
    if name.is_empty() || !name.bytes().all(character) {
        return Err(TemplateError::InvalidName { at });
    }
    Ok(Variable { name: name.to_owned(), modifier })
}

fn prefix_length(text: &str) -> Option<usize> {
    let proper = !text.starts_with('0') && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if proper { text.parse().ok() } else { None }
}
