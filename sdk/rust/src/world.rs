//! The world outside of a fixture: its recorded `http`, natively.

use serde_json::Value;

/// Recorded exchanges, which this thread's actions are given the answers of.
pub(crate) struct World {
    #[cfg(feature = "http")]
    left: std::rc::Rc<std::cell::RefCell<recorded::Left>>,
    #[cfg(not(feature = "http"))]
    recorded: usize,
}

#[cfg(not(feature = "http"))]
impl World {
    pub(crate) fn of(http: &[Value]) -> Self {
        Self { recorded: http.len() }
    }

    pub(crate) fn end(self) -> Result<(), String> {
        match self.recorded {
            0 => Ok(()),
            _ => Err("it has `http`, and surety-sdk not the feature `http`".to_owned()),
        }
    }
}

#[cfg(feature = "http")]
impl World {
    pub(crate) fn of(http: &[Value]) -> Self {
        let left = std::rc::Rc::new(std::cell::RefCell::new(recorded::Left::of(http)));
        let of_world = std::rc::Rc::clone(&left);
        crate::testing::world(move |request| of_world.borrow_mut().answer(request));
        Self { left }
    }

    /// Whether all that is recorded was asked for, and nothing else.
    pub(crate) fn end(self) -> Result<(), String> {
        self.left.borrow_mut().end()
    }
}

#[cfg(feature = "http")]
mod recorded {
    use std::collections::VecDeque;

    use serde_json::Value;

    use crate::http::{Error, Request, Response, unsent};

    pub(super) struct Left {
        exchanges: VecDeque<Value>,
        wrong: Option<String>,
    }

    impl Left {
        pub(super) fn of(http: &[Value]) -> Self {
            Self { exchanges: http.iter().cloned().collect(), wrong: None }
        }

        pub(super) fn answer(&mut self, request: &Request) -> Result<Response, Error> {
            let exchange = self.exchanges.pop_front().unwrap_or_default();
            let recorded = &exchange["request"];
            if self.wrong.is_none() && !admits(recorded, request) {
                self.wrong = Some(format!(
                    "\n  recorded {recorded}\n  asked    {} {} {}",
                    request.method(),
                    request.url(),
                    String::from_utf8_lossy(request.body())
                ));
            }
            if self.wrong.is_some() {
                return Err(Error::Refused("it is not the recorded request".to_owned()));
            }
            let url = request.url();
            let response = &exchange["response"];
            match exchange["error"].as_str() {
                Some(kind) => Err(unsent(url, kind)),
                None => Ok(Response {
                    status: response["status"]
                        .as_u64()
                        .and_then(|s| s.try_into().ok())
                        .unwrap_or(0),
                    headers: headers(&response["headers"]),
                    body: match &response["body"] {
                        Value::Null => Vec::new(),
                        Value::String(text) => text.clone().into_bytes(),
                        value => value.to_string().into_bytes(),
                    },
                }),
            }
        }

        pub(super) fn end(&mut self) -> Result<(), String> {
            match (self.wrong.take(), self.exchanges.front()) {
                (Some(wrong), _) => Err(wrong),
                (None, Some(left)) => Err(format!("was not asked for: {}", left["request"])),
                (None, None) => Ok(()),
            }
        }
    }

    /// Names in lower case, and values: a text, or several.
    fn headers(named: &Value) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for (name, values) in named.as_object().into_iter().flatten() {
            let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
            let texts = values.iter().filter_map(Value::as_str);
            all.extend(texts.map(|text| (name.to_ascii_lowercase(), text.as_bytes().to_vec())));
        }
        all
    }

    fn admits(recorded: &Value, request: &Request) -> bool {
        let of_name = |all: &[(String, Vec<u8>)], name: &str| -> Vec<Vec<u8>> {
            let same = all.iter().filter(|(of, _)| of.eq_ignore_ascii_case(name));
            same.map(|(_, value)| value.clone()).collect()
        };
        let wanted = headers(&recorded["headers"]);
        let same_headers = wanted
            .iter()
            .all(|(name, _)| of_name(&wanted, name) == of_name(request.headers(), name));
        let same_body = match &recorded["body"] {
            Value::Null => request.body().is_empty(),
            Value::String(text) => text.as_bytes() == request.body(),
            value => {
                serde_json::from_slice::<Value>(request.body()).is_ok_and(|body| body == *value)
            }
        };
        recorded["method"] == request.method()
            && recorded["url"] == request.url()
            && same_headers
            && same_body
    }
}
