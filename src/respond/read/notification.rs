//! Notifications of a mail provider as JSON in a mail (Amazon SES through SNS): bounces,
//! complaints and deliveries, by their fields.
//!
//! It names recipients and the id of our message; nothing else in it is looked at.

use serde::Deserialize;

use crate::model::response::ResponseKind;
use crate::policy::bounce;

use super::fields::address_in;
use super::mail::Mail;
use super::{Evidence, Finding, dsn, one_line};

/// Recipients that are taken from one notification.
const MOST_RECIPIENTS: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    #[serde(alias = "eventType")]
    notification_type: String,
    #[serde(default)]
    bounce: Bounced,
    #[serde(default)]
    complaint: Complained,
    #[serde(default)]
    delivery: Delivered,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bounced {
    bounced_recipients: Vec<Recipient>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Complained {
    complained_recipients: Vec<Recipient>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Delivered {
    recipients: Vec<String>,
    smtp_response: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Recipient {
    email_address: String,
    action: String,
    status: String,
    diagnostic_code: String,
}

/// Reads a notification; a mail whose words are none is somebody else's to read.
pub(super) fn read(mail: &Mail<'_>) -> Option<Vec<Finding>> {
    let body = mail.body();
    let text = body.trim_start();
    if !text.starts_with('{') || !(text.contains("notificationType") || text.contains("eventType")) {
        return None;
    }
    // What stands behind the document (how to unsubscribe) is no part of it.
    let document = serde_json::Deserializer::from_str(text).into_iter::<Notification>().next()?.ok()?;
    let findings: Vec<Finding> = match document.notification_type.to_ascii_lowercase().as_str() {
        "bounce" => document.bounce.bounced_recipients.iter().take(MOST_RECIPIENTS).map(bounced).collect(),
        "complaint" => document.complaint.complained_recipients.iter().take(MOST_RECIPIENTS).map(complained).collect(),
        "delivery" => {
            let said = &document.delivery.smtp_response;
            document.delivery.recipients.iter().take(MOST_RECIPIENTS).map(|to| delivered(to, said)).collect()
        }
        _ => return None,
    };
    Some(findings).filter(|findings| !findings.is_empty())
}

fn finding(kind: ResponseKind, rule: String, address: &str, said: &str) -> Finding {
    let mut finding = Finding::new(kind, 0.97, Evidence::new("body", 1, rule, said));
    finding.recipient = address_in(address);
    finding.recipient_is_original = true;
    finding.reply_code = dsn::find_code(said);
    finding.enhanced = dsn::find_status(said);
    finding.reason = Some(one_line(said, 500)).filter(|reason| !reason.is_empty());
    finding
}

fn bounced(recipient: &Recipient) -> Finding {
    let said = recipient.diagnostic_code.as_str();
    let status = dsn::find_status(&recipient.status).or_else(|| dsn::find_status(said));
    let code = dsn::find_code(said).unwrap_or(0);
    let (why, because) = bounce::explain(code, status.as_deref(), said);
    let kind = match recipient.action.eq_ignore_ascii_case("delayed") {
        true => ResponseKind::Delayed,
        false => ResponseKind::Bounce(why),
    };
    let mut finding = finding(kind, format!("notification.bounce: {because}"), &recipient.email_address, said);
    finding.enhanced = status;
    finding
}

fn complained(recipient: &Recipient) -> Finding {
    finding(ResponseKind::Complaint, "notification.complaint".into(), &recipient.email_address, "")
}

fn delivered(address: &str, said: &str) -> Finding {
    finding(ResponseKind::Delivered, "notification.delivery".into(), address, said)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::read;

    #[test]
    fn reads_the_recipients_of_a_notification_and_not_its_footer() {
        let raw = "From: Notices <no-reply@provider.example>\r\nSubject: Notification\r\n\r\n\
            {\"notificationType\":\"Bounce\",\"bounce\":{\"bouncedRecipients\":[{\"emailAddress\":\"Oskar <oskar@bergtorp.example>\",\
            \"action\":\"failed\",\"status\":\"5.1.1\",\"diagnosticCode\":\"smtp; 550 5.1.1 user unknown\"}]},\"mail\":{}}\r\n\r\n\
            --\r\nTo unsubscribe write to stop@provider.example\r\n";
        let reading = read(raw.as_bytes(), date(2027, 3, 1));
        let finding = &reading.findings[0];
        assert_eq!(finding.kind.name(), "bounce.no_mailbox");
        assert_eq!(finding.recipient.as_deref(), Some("oskar@bergtorp.example"));
        assert_eq!((finding.reply_code, finding.enhanced.as_deref()), (Some(550), Some("5.1.1")));
    }
}
