use std::ops::BitOr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use inference_sys as sys;

use crate::error::call;
use crate::raw::{handle, Buf, Tokens};
use crate::{Chat, Config, Result};

/// A token of a vocabulary; negative means none.
pub type TokenId = i32;

/// How text becomes ids and ids become text; combined with `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextFlags(u32);

impl TextFlags {
    /// The text as it is.
    pub const NONE: Self = TextFlags(0);
    /// Encoding: add what the checkpoint wants around a text, such as `<bos>`.
    pub const ADD_SPECIAL: Self = TextFlags(sys::INF_ADD_SPECIAL);
    /// Encoding: special tokens written in the text become their ids.
    pub const PARSE_SPECIAL: Self = TextFlags(sys::INF_PARSE_SPECIAL);
    /// Decoding: leave special tokens out.
    pub const SKIP_SPECIAL: Self = TextFlags(sys::INF_SKIP_SPECIAL);
}

impl BitOr for TextFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        TextFlags(self.0 | other.0)
    }
}

handle!(
    /// Turns text into token ids and back.
    ///
    /// ```
    /// use inference::{TextFlags, Tokenizer};
    ///
    /// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
    /// let tokenizer = Tokenizer::load(path)?; // no device, no weights
    /// let ids = tokenizer.encode("The quick brown fox", TextFlags::ADD_SPECIAL)?;
    /// assert_eq!(ids.first(), tokenizer.bos().as_ref());
    /// assert_eq!(tokenizer.decode(&ids, TextFlags::SKIP_SPECIAL)?, "The quick brown fox");
    /// # Ok::<(), inference::Error>(())
    /// ```
    Tokenizer, inf_tokenizer, inf_tokenizer_free, Send Sync
);

impl Tokenizer {
    /// From a GGUF file or a folder with `tokenizer.json`. Needs no device and reads no weights.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(path, &Config::new())
    }

    /// With options: "allow_symlinks" 1 lets the files of a folder be links to anywhere, as in the
    /// Hugging Face hub's cache.
    pub fn load_with(path: impl AsRef<Path>, config: &Config) -> Result<Self> {
        let path = path.as_ref().as_os_str().as_bytes();
        let config = config.build()?;
        // SAFETY: pointers go with their lengths and handles are live, here and below.
        Self::from_call(|out, err| unsafe {
            sys::inf_tokenizer_load(path.as_ptr().cast(), path.len(), config.raw(), out, err)
        })
    }

    /// Ids of `text`.
    pub fn encode(&self, text: &str, flags: TextFlags) -> Result<Vec<TokenId>> {
        let mut out = Tokens::new();
        call(|err| unsafe {
            let (data, len) = (text.as_ptr().cast(), text.len());
            sys::inf_tokenize(self.raw(), data, len, flags.0, out.raw(), err)
        })?;
        Ok(out.to_vec())
    }

    /// Text of `ids`; `ErrorKind::Argument` for one that is not in the vocabulary.
    pub fn decode(&self, ids: &[TokenId], flags: TextFlags) -> Result<String> {
        let mut out = Buf::new();
        call(|err| unsafe {
            sys::inf_detokenize(self.raw(), ids.as_ptr(), ids.len(), flags.0, out.raw(), err)
        })?;
        Ok(out.to_text())
    }

    /// The bytes that a token adds in the middle of a text: they may be part of a code point.
    pub fn token_bytes(&self, id: TokenId) -> Result<Vec<u8>> {
        let mut out = Buf::new();
        call(|err| unsafe { sys::inf_token_bytes(self.raw(), id, out.raw(), err) })?;
        Ok(out.to_vec())
    }

    /// The id that begins a text.
    pub fn bos(&self) -> Option<TokenId> {
        self.special(sys::INF_SPECIAL_BOS)
    }

    /// The id that ends a text.
    pub fn eos(&self) -> Option<TokenId> {
        self.special(sys::INF_SPECIAL_EOS)
    }

    fn special(&self, which: u32) -> Option<TokenId> {
        let id = unsafe { sys::inf_special_token(self.raw(), which) };
        (id >= 0).then_some(id)
    }

    /// Whether a token ends a text.
    pub fn is_end(&self, id: TokenId) -> bool {
        unsafe { sys::inf_token_is_end(self.raw(), id) == 1 }
    }

    /// How many ids there are.
    pub fn vocab_size(&self) -> usize {
        unsafe { sys::inf_vocab_size(self.raw()) as usize }
    }

    /// An empty conversation.
    pub fn new_chat(&self) -> Result<Chat> {
        Chat::from_call(|out, err| unsafe { sys::inf_chat_new(self.raw(), out, err) })
    }
}
