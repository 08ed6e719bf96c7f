use inference_sys as sys;

use crate::error::call;
use crate::raw::{handle, Buf, Tokens};
use crate::{Result, TokenId};

handle!(
    /// Messages, rendered by the checkpoint's template.
    ///
    /// ```
    /// # let path = "../../../tests/data/golden/tiny/llama-gqa/model";
    /// # let model = inference::Runtime::new()?.load_model(path)?;
    /// use inference::GenerateOptions;
    ///
    /// let mut chat = model.tokenizer()?.new_chat()?;
    /// let mut session = model.new_session()?;
    /// for question in ["What is the capital of France?", "And of Italy?"] {
    ///     chat.add("user", question)?;
    ///     let mut answer = String::new();
    ///     for token in session.generate(&chat, &GenerateOptions::new().max_tokens(8))? {
    ///         answer += &token?.text;
    ///     }
    ///     chat.add("assistant", &answer)?; // the session holds it: the next question alone is computed
    /// }
    /// # Ok::<(), inference::Error>(())
    /// ```
    Chat, inf_chat, inf_chat_free, Send
);

// SAFETY, in all of these: texts go with their lengths, the handle is live, `&mut` excludes other calls.
impl Chat {
    /// Appends a message; roles are those of the template: "system", "user", "assistant", ...
    pub fn add(&mut self, role: &str, text: &str) -> Result<()> {
        let (role, role_len) = (role.as_ptr().cast(), role.len());
        call(|err| unsafe {
            sys::inf_chat_add(self.raw(), role, role_len, text.as_ptr().cast(), text.len(), err)
        })?;
        Ok(())
    }

    /// Appends one message object, or an array of them: `{"role": ..., "content": ...}` and whatever
    /// else the template reads. All or nothing.
    pub fn add_json(&mut self, json: &str) -> Result<()> {
        call(|err| unsafe {
            sys::inf_chat_add_json(self.raw(), json.as_ptr().cast(), json.len(), err)
        })?;
        Ok(())
    }

    /// An object whose keys become variables of the template: "tools", ...
    pub fn set_variables_json(&mut self, json: &str) -> Result<()> {
        call(|err| unsafe {
            sys::inf_chat_set_variables_json(self.raw(), json.as_ptr().cast(), json.len(), err)
        })?;
        Ok(())
    }

    /// The name of one of the checkpoint's templates, else of a style ("gemma", "gemma-system",
    /// "chatml", "llama3", "plain"), else Jinja text; empty: back to the checkpoint's choice.
    pub fn set_template(&mut self, template: &str) -> Result<()> {
        call(|err| unsafe {
            sys::inf_chat_set_template(self.raw(), template.as_ptr().cast(), template.len(), err)
        })?;
        Ok(())
    }

    /// Drops the messages.
    pub fn clear(&mut self) -> Result<()> {
        call(|err| unsafe { sys::inf_chat_clear(self.raw(), err) })?;
        Ok(())
    }

    /// The conversation as text and as ids, ending with the header of the assistant's turn where
    /// `add_generation_prompt` is set.
    pub fn render(&self, add_generation_prompt: bool) -> Result<(String, Vec<TokenId>)> {
        let flags = if add_generation_prompt { sys::INF_ADD_GENERATION_PROMPT } else { 0 };
        let (mut text, mut ids) = (Buf::new(), Tokens::new());
        call(|err| unsafe { sys::inf_chat_render(self.raw(), flags, text.raw(), ids.raw(), err) })?;
        Ok((text.to_text(), ids.to_vec()))
    }
}
