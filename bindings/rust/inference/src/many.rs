//! Many texts in one call: they are packed together, what they begin with alike is computed once, and
//! each result is what the text alone would give. A text that cannot be done fails alone.

use std::ptr;

use inference_sys as sys;

use crate::adapter::Under;
use crate::error::call;
use crate::raw::{self, handle, Buf, Floats};
use crate::{AdapterUse, Cancel, Model, Result, Score, Session, TokenId};

handle!(
    /// Texts that go into a call.
    Inputs, inf_inputs, inf_inputs_free, Send
);
handle!(
    /// Results of a call.
    Items, inf_items, inf_items_free, Send
);

// SAFETY, in all of these: handles are live, and `&mut` or a fresh object excludes other calls.
impl Inputs {
    pub(crate) fn of<T: AsRef<str>>(texts: &[T]) -> Result<Self> {
        let inputs = Inputs::from_call(|out, err| unsafe { sys::inf_inputs_new(out, err) })?;
        let flags = sys::INF_ADD_SPECIAL | sys::INF_PARSE_SPECIAL;
        for text in texts {
            let text = text.as_ref();
            call(|err| unsafe {
                let data = text.as_ptr().cast();
                sys::inf_inputs_add_text(inputs.raw(), data, text.len(), flags, err)
            })?;
        }
        Ok(inputs)
    }
}

impl Items {
    pub(crate) fn collect<T>(&self, take: impl Fn(u64) -> Result<T>) -> Vec<Result<T>> {
        let count = unsafe { sys::inf_items_count(self.raw()) };
        (0..count).map(take).collect()
    }
}

/// What follows a prompt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Class {
    /// The likeliest next token, where no labels were given.
    pub token: Option<TokenId>,
    /// The index of the likeliest label, where some were given.
    pub label: Option<usize>,
    /// Of either.
    pub text: String,
    /// Of the labels, natural logarithms.
    pub logprobs: Vec<f32>,
}

/// Which hidden states make a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Those of all tokens.
    Mean,
    /// That of the last token.
    Last,
    /// That of the first token ("cls").
    First,
}

impl Session {
    /// ln P(completion | `prompt`) of each completion. Afterwards the session holds the prompt.
    pub fn score_many<T: AsRef<str>>(
        &mut self,
        prompt: &str,
        completions: &[T],
        cancel: Option<&Cancel>,
    ) -> Result<Vec<Result<Score>>> {
        let (contexts, continuations) = (Inputs::of(&[prompt])?, Inputs::of(completions)?);
        let cancel = cancel.map_or(ptr::null_mut(), Cancel::raw);
        let items = Items::from_call(|out, err| unsafe {
            let (before, after) = (contexts.raw(), continuations.raw());
            sys::inf_score_many(self.raw(), before, after, cancel, out, err)
        })?;
        Ok(items.collect(|i| {
            Score::from_call(|desc, out, err| unsafe {
                sys::inf_items_score(items.raw(), i, desc, ptr::null_mut(), out, err)
            })
        }))
    }
}

impl Model {
    /// The likeliest next token of each prompt or, where there are labels, the likeliest label. Under
    /// adapters; none is the base.
    pub fn classify<T: AsRef<str>, L: AsRef<str>>(
        &self,
        prompts: &[T],
        labels: &[L],
        under: &[AdapterUse],
        cancel: Option<&Cancel>,
    ) -> Result<Vec<Result<Class>>> {
        let texts = Inputs::of(prompts)?;
        let choices = if labels.is_empty() { None } else { Some(Inputs::of(labels)?) };
        let choices = choices.as_ref().map_or(ptr::null_mut(), Inputs::raw);
        let under = Under::of(under)?;
        let cancel = cancel.map_or(ptr::null_mut(), Cancel::raw);
        let items = Items::from_call(|out, err| unsafe {
            sys::inf_classify(self.raw(), texts.raw(), choices, under.raw(), 0, cancel, out, err)
        })?;
        Ok(items.collect(|i| {
            let mut desc: sys::inf_class_desc = unsafe { raw::zeroed() };
            desc.struct_size = raw::size_of::<sys::inf_class_desc>();
            let (mut text, mut values) = (Buf::new(), Floats::new());
            call(|err| unsafe {
                sys::inf_items_class(items.raw(), i, &mut desc, text.raw(), values.raw(), err)
            })?;
            Ok(Class {
                token: (desc.token >= 0).then_some(desc.token),
                label: usize::try_from(desc.label).ok(),
                text: text.to_text(),
                logprobs: values.to_vec(),
            })
        }))
    }

    /// The pooled hidden states of the last layer of each text, a vector of length 1. Under adapters; none
    /// is the base.
    pub fn embed<T: AsRef<str>>(
        &self,
        texts: &[T],
        pooling: Pooling,
        under: &[AdapterUse],
        cancel: Option<&Cancel>,
    ) -> Result<Vec<Result<Vec<f32>>>> {
        let inputs = Inputs::of(texts)?;
        let mut options: sys::inf_embed_options = unsafe { raw::zeroed() };
        options.struct_size = raw::size_of::<sys::inf_embed_options>();
        options.pooling = match pooling {
            Pooling::Mean => sys::INF_POOL_MEAN,
            Pooling::Last => sys::INF_POOL_LAST,
            Pooling::First => sys::INF_POOL_FIRST,
        };
        let under = Under::of(under)?;
        options.request = under.raw();
        let cancel = cancel.map_or(ptr::null_mut(), Cancel::raw);
        let items = Items::from_call(|out, err| unsafe {
            sys::inf_embed(self.raw(), inputs.raw(), &options, cancel, out, err)
        })?;
        Ok(items.collect(|i| {
            let mut vector = Floats::new();
            call(|err| unsafe { sys::inf_items_vector(items.raw(), i, vector.raw(), err) })?;
            Ok(vector.to_vec())
        }))
    }
}
