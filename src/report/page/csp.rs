//! The page's policy: it may load nothing, and run the scripts that it was written with alone.

use sha2::{Digest, Sha256};

/// The content security policy of a page with these inline scripts, word for word.
pub fn policy(scripts: &[&str]) -> String {
    let hashes: Vec<String> = scripts
        .iter()
        .map(|s| format!("'sha256-{}'", base64(&Sha256::digest(s.as_bytes()))))
        .collect();
    let scripts = if hashes.is_empty() { "'none'".into() } else { hashes.join(" ") };
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {scripts}; \
         base-uri 'none'; form-action 'none'"
    )
}

/// Base64 with padding (RFC 4648 §4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_rfc() {
        // RFC 4648 §10.
        for (raw, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(raw.as_bytes()), coded);
        }
    }

    #[test]
    fn a_script_is_named_by_its_hash() {
        // printf 'alert(1)' | openssl dgst -sha256 -binary | base64
        let known = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='";
        assert!(policy(&["alert(1)"]).contains(known));
        assert!(policy(&[]).contains("script-src 'none'"));
    }
}
