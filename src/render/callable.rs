//! What handlebars may call in a template, and the cap on what it writes.

use std::io::{self, Write};

use handlebars::{Context, Handlebars, Helper, HelperDef, HelperResult, JsonValue, Output, RenderContext, ScopedJson};
use serde_json::Value;

use super::mention::blank;
use crate::model::language::Language;

const MAX_OUTPUT_BYTES: usize = 512 * 1024;

/// Stops a template that writes without end.
#[derive(Default)]
pub(super) struct Capped(Vec<u8>);

impl Capped {
    /// What was written.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `{{or account.city "er ort"}}`: the first argument that holds something.
pub(super) struct FirstFilled;

impl HelperDef for FirstFilled {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, handlebars::RenderError> {
        let filled = helper.params().iter().map(|param| param.value()).find(|value| !blank(value));
        Ok(ScopedJson::Derived(filled.cloned().unwrap_or(JsonValue::Null)))
    }
}

/// `{{greeting}}`: by the first name if it is known apart, else by the whole name.
pub(super) struct Greeting(pub(super) Language);

impl HelperDef for Greeting {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        _: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        data: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, handlebars::RenderError> {
        let contact = &data.data()["contact"];
        let name = [&contact["given_name"], &contact["name"]].into_iter().find(|name| !blank(name));
        let name = name.and_then(Value::as_str).unwrap_or_default().trim();
        let text = match self.0 {
            Language::Sv => format!("Hej {name}!"),
            Language::En => format!("Dear {name},"),
        };
        Ok(ScopedJson::Derived(JsonValue::String(text)))
    }
}

/// Where a layout wants the letter, or the footer.
pub(super) struct Slot(pub(super) char);

impl HelperDef for Slot {
    fn call<'reg: 'rc, 'rc>(
        &self,
        _: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        out.write(self.0.encode_utf8(&mut [0; 4]))?;
        Ok(())
    }
}
