//! From a template and merge data to the bytes that leave: mail and fax page.
//!
//! Pure: the same inputs give the same bytes. The only room that builds MIME.
