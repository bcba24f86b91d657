//! What stands below a person's words: their signature, their telephone's
//! advertisement, their company's disclaimer.

use std::sync::LazyLock;

use regex::Regex;

use super::reply::is_empty;

/// Lines that a signature below a closing may have.
const MOST_LINES: usize = 14;

/// The lines above a signature: above its mark, the telephone's advertisement, a
/// disclaimer, or a closing with more than a name below it.
pub(super) fn without_signature<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let lines = above(lines, |line| is_mark(line) || is_advertisement(line));
    let lines = without_name(above(lines, is_disclaimer));
    let closing = (0..lines.len()).rev().find_map(|at| closing(lines[at].trim()).map(|named| (at, named)));
    let Some((closing, named)) = closing.filter(|(at, _)| !is_empty(&lines[..*at])) else { return lines.to_vec() };
    let below = lines[closing + 1..].iter().filter(|line| !line.trim().is_empty()).count();
    // "Regards," with the name on its own line, or "Regards, Anna" with more below.
    let end = if (2 - usize::from(named)..=MOST_LINES).contains(&below) { closing } else { lines.len() };
    lines[..end].to_vec()
}

/// The lines above the first that is no word of the person; a mail that begins with
/// an advertisement says nothing.
fn above<'b, 'a>(lines: &'b [&'a str], ends: impl Fn(&str) -> bool) -> &'b [&'a str] {
    let end = lines.iter().position(|line| ends(line.trim())).unwrap_or(lines.len());
    &lines[..end]
}

fn is_mark(line: &str) -> bool {
    static MARK: LazyLock<Regex> = LazyLock::new(|| expression(r"^(?:--|_{5,}|-{5,})$"));
    MARK.is_match(line)
}

/// "Sent from my iPhone", "Get Outlook for Android" in many languages.
fn is_advertisement(line: &str) -> bool {
    static ADVERTISEMENT: LazyLock<Regex> = LazyLock::new(|| {
        expression(concat!(
            r"(?i)^[<\[(*_]{0,3}(?:",
            r"sent (?:from|with|via|by|using) (?:my |the |a )?\p{L}|sent on the go|get outlook for|download outlook|sent securely",
            r"|hämta outlook|skickat? (?:från|med|via) (?:min |mitt )?\p{L}|skickad från|skickades från|skickat via|mobilt skickat",
            r"|gesendet (?:von|mit|über|aus) |von (?:mein\p{L}+|samsung|outlook) .{1,40}gesendet|diese nachricht wurde (?:von|mit)|hol(?:en sie sich|e dir|) (?:dir )?outlook|outlook für (?:ios|android) beziehen|(?:von unterwegs|mobil) gesendet",
            r"|envoyé (?:de|depuis|à partir d|avec|via) ?|télécharge[rz] outlook|obtenez outlook|provenance :? ?courrier",
            r"|lähetetty |hanki outlook|lataa outlook",
            r"|sendt (?:fra|med|via) |hent outlook|få outlook|skaff outlook",
            r"|enviado (?:desde|do|con|mediante) |obtener outlook|descarga outlook|obtén outlook",
            r"|inviato da|verstuurd vanaf|verzonden (?:vanaf|met|vanuit)|wysłane z|отправлено (?:с|из)|yahoo mail (?:for|für|pour|per|para)|von yahoo mail|sent from yahoo",
            r")",
        ))
    });
    static DEVICE: LazyLock<Regex> = LazyLock::new(|| {
        expression(
            r"(?i)phone|ipad|android|galaxy|samsung|blackberry|mobil|outlook|mail|windows|huawei|pixel|xperia|proton|yahoo|spark|tablet|device|handy|telefon|gerät|app\b|puhelin|portable|móvil",
        )
    });
    // "Sent from my desk, which is easier than the phone." is a sentence.
    let words = line.split_whitespace().count();
    let is_short = words <= 7 || DEVICE.is_match(&line.split_whitespace().take(7).collect::<Vec<_>>().join(" "));
    line.len() < 160 && is_short && ADVERTISEMENT.is_match(line) && !line.ends_with('?')
}

/// Without a last line that only names the writer: "-Anna Lind", "/Anna".
fn without_name<'b, 'a>(lines: &'b [&'a str]) -> &'b [&'a str] {
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| expression(r"^[-–—/~]\p{Lu}[\p{L}.'-]{1,20}(?: \p{Lu}[\p{L}.'-]{0,20}){0,2}$"));
    let Some(last) = lines.iter().rposition(|line| !line.trim().is_empty()) else { return lines };
    match NAME.is_match(lines[last].trim()) && !is_empty(&lines[..last]) {
        true => &lines[..last],
        false => lines,
    }
}

/// "This e-mail is confidential": it speaks of deleting, and means something else.
fn is_disclaimer(line: &str) -> bool {
    static DISCLAIMER: LazyLock<Regex> = LazyLock::new(|| {
        expression(concat!(
            r"(?i)^.{0,120}(?:",
            r"(?:confidential|privileged)\b.{0,200}(?:intended|recipient|addressee|disclos)|intended (?:solely|only|exclusively) for|if you (?:are not|have received) (?:the intended|this (?:e-?mail|message) in error)",
            r"|konfidentiell.{0,120}(?:avsedd|mottagare|adressat)|om du (?:inte är rätt|fått detta) |avsett? (?:endast|enbart) för (?:mottagaren|adressaten)",
            r"|vertrauliche.{0,160}(?:bestimmt|empfänger|adressat)|nicht der (?:richtige|beabsichtigte|vorgesehene) (?:adressat|empfänger)|irrtümlich erhalten",
            r"|confidentiel.{0,160}(?:destin|usage)|si vous (?:n'êtes pas le|avez reçu ce) |réservée? à l'usage",
            r"|luottamuksellis.{0,120}(?:vastaanotta|tarkoitet)|et ole (?:viestin )?oikea vastaanottaja",
            r"|fortrolig.{0,120}(?:modtager|mottaker|adressat|beregnet|ment)|hvis du (?:ikke er rette|har modtaget denne|har mottatt denne)",
            r"|confidencial.{0,160}(?:destinatari|dirigid)|si usted no es el destinatario|si ha recibido este (?:mensaje|correo) por error",
            r"|(?:think|consider) (?:of )?the environment before|tänk på miljön innan|denken sie an die umwelt|pensez à l'environnement|läs mer om hur vi behandlar personuppgifter",
            r")",
        ))
    });
    DISCLAIMER.is_match(&line[..line.floor_char_boundary(500)])
}

/// "Kind regards", alone or (true) with a name behind it.
fn closing(line: &str) -> Option<bool> {
    static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
        expression(concat!(
            r"(?i)^(?:",
            r"(?:med )?(?:vänlig(?:a)?|bästa|varma|goda|trevliga) hälsning(?:ar)?|hälsningar|mvh|m\.?v\.?h\.?|vänligen|med vänlig hälsning|vh|hälsar",
            r"|(?:(?:with )?(?:kind|best|warm|many|my best)(?:est)? )?regards|best(?: wishes)?|sincerely(?: yours)?|yours (?:sincerely|faithfully|truly)|cheers|br|kr",
            r"|(?:mit )?(?:freundliche[nmr]?|besten?|viele[n]?|herzliche[n]?|schöne[n]?|liebe|vielen) (?:grü(?:ß|ss)en?|gruß)|mfg|vg|lg|hochachtungsvoll|beste grüße aus .{1,20}",
            r"|(?:bien )?cordialement|(?:bien|très) à vous|(?:meilleures|sincères|cordiales) salutations|salutations(?: distinguées)?|bonne (?:journée|réception)|cdlt|bien cordialement",
            r"|(?:ystävällisin|parhain) terveisin|terveisin|t(?:erv)?\.|yt\.?",
            r"|(?:med )?(?:venlig|venlige|kærlig|bedste|de bedste|vennlig|beste|god) hilsen(?:er)?|hilsen|(?:med )?(?:venlig|vennlig) hilsen|mvh\.?|vh\.?|dbh",
            r"|(?:un )?(?:cordial|atento) saludo|(?:muchos |cordiales |atentos )?saludos(?: cordiales)?|atentamente|un saludo",
            r")\s*(?:[,.!/]|[,.]? ((?-i:\p{Lu})[\p{L}.'-]{0,20} ?(?:(?-i:\p{Lu})[\p{L}.'-]{0,20} ?){0,2}))?$",
        ))
    });
    let found = CLOSING.captures(line).filter(|_| line.len() < 80)?;
    Some(found.get(1).is_some())
}

fn expression(text: &str) -> Regex {
    Regex::new(text).expect("a test runs each expression")
}

#[cfg(test)]
mod tests {
    use super::super::reply::new_text;

    #[test]
    fn takes_off_signatures() {
        assert_eq!(new_text("Nej.\n\n-- \nAnna Lind\nGranvik"), "Nej.");
        assert_eq!(new_text("Nej.\n\nMvh\nAnna Lind\nGranvik Verkstad AB\n070-174 06 12"), "Nej.");
        assert_eq!(new_text("Nej.\n\nMvh Anna Lind\nGranvik Verkstad AB\n070-174 06 12"), "Nej.");
        assert_eq!(new_text("Ja!\n\nSkickat från min iPhone"), "Ja!");
    }

    #[test]
    fn takes_off_a_name_behind_a_dash_but_no_list() {
        assert_eq!(new_text("Vi hörs.\n\n/Anna"), "Vi hörs.");
        assert_eq!(new_text("See you.\n\n-Anna Lind\n"), "See you.");
        assert_eq!(new_text("Two things:\n- Light\n- Power"), "Two things:\n- Light\n- Power");
    }

    #[test]
    fn takes_no_sentence_for_an_advertisement() {
        let body = "Yes.\n\nSent from my desk, which is so much easier than from my telephone.";
        assert_eq!(new_text(body), body);
        assert_eq!(new_text("Yes.\n\nSent from my iPhone, please excuse my brevity and any typos."), "Yes.");
    }

    #[test]
    fn takes_off_disclaimers() {
        let body =
            "Yes please.\n\nThis e-mail is confidential and intended for the addressee. Please delete this email.";
        assert_eq!(new_text(body), "Yes please.");
    }
}
