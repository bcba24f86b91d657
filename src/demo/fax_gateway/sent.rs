//! Reads a submission, in either of the two forms the real gateway takes.

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use axum::response::Response;
use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::{refuse, refuse_field};

/// A submission as it was read.
pub(super) struct Sent {
    pub(super) to: String,
    pub(super) fields: Map<String, Value>,
    pub(super) pdf: Bytes,
}

impl Sent {
    pub(super) async fn read(request: Request) -> Result<Self, Response> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
        let read = if is_form { read_form(request).await } else { read_json(request).await };
        let (fields, pdf) = read.ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "the body cannot be read"))?;
        let to = fields.get("to").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_number = to.len() > 7 && to.strip_prefix('+').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if !is_number {
            return Err(refuse_field("to", "not a number in E.164 form"));
        }
        if !pdf.starts_with(b"%PDF-") {
            return Err(refuse_field("files", "not a PDF"));
        }
        Ok(Self { to, fields, pdf })
    }
}

async fn read_json(request: Request) -> Option<(Map<String, Value>, Bytes)> {
    let body = Bytes::from_request(request, &()).await.ok()?;
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&body) else { return None };
    let files = fields.remove("files")?;
    let pdf = BASE64.decode(files.get(0)?.get("file")?.as_str()?.as_bytes()).ok()?;
    Some((fields, pdf.into()))
}

async fn read_form(request: Request) -> Option<(Map<String, Value>, Bytes)> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let (mut fields, mut pdf) = (Map::new(), Bytes::new());
    while let Some(field) = form.next_field().await.ok()? {
        let name = field.name()?.to_owned();
        if name == "file" {
            pdf = field.bytes().await.ok()?;
            continue;
        }
        let text = field.text().await.ok()?;
        let value = if name == "labels" { serde_json::from_str(&text).ok()? } else { Value::String(text) };
        fields.insert(name, value);
    }
    Some((fields, pdf))
}
