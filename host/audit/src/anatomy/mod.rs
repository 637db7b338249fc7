//! What is written in a component's sections, at every level.

mod cores;
mod data;
mod used;

use surety_core::module::MANIFEST_SECTION;
use wasmparser::{CustomSectionReader, KnownCustom, Parser, Payload};

pub(crate) use data::{Hit, Kind};

use self::cores::Cores;
use self::used::Used;
use crate::report::{Core, Producer, Section, short};

/// Components and modules inside each other that are looked into, as deep as a host
/// takes them.
const NESTING_MAX: usize = 16;

/// The most custom sections, producers and manifests that are listed. A component
/// of the Python toolchain has 60 sections.
const LISTED_MAX: usize = 500;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Anatomy<'a> {
    /// Manifests, at any level.
    pub(crate) manifests: Vec<&'a [u8]>,
    /// Names of the outermost component's imports, in their order.
    pub(crate) imports: Vec<&'a str>,
    /// Those of them of which nothing is called.
    pub(crate) uncalled: Vec<&'a str>,
    pub(crate) sections: Vec<Section>,
    pub(crate) producers: Vec<Producer>,
    pub(crate) cores: Vec<Core>,
    /// Components inside the outermost one.
    pub(crate) components: u64,
    /// What is suspicious in data and custom sections.
    pub(crate) hits: Vec<Hit>,
    /// What was found and is not listed.
    pub(crate) left_out: u64,
    /// Why not all of it could be read.
    pub(crate) fault: Option<String>,
}

/// Reads as far as it can be read.
pub(crate) fn read(component: &[u8]) -> Anatomy<'_> {
    let mut reading = Reading::default();
    for payload in Parser::new(0).parse_all(component) {
        let read = payload.map_err(|e| e.to_string()).and_then(|payload| reading.take(payload));
        if let Err(fault) = read {
            reading.anatomy.fault = Some(fault);
            break;
        }
    }
    let Reading { mut anatomy, cores, used, .. } = reading;
    let (cores, hits, left_out) = cores.end();
    anatomy.uncalled = used.uncalled();
    anatomy.imports = used.imports();
    anatomy.cores = cores;
    anatomy.hits.extend(hits);
    anatomy.left_out += left_out;
    anatomy.producers.sort();
    anatomy.producers.dedup();
    anatomy
}

/// What a section stands in.
#[derive(Debug, Clone, Copy)]
enum Frame {
    Component(u64),
    Core(usize),
}

#[derive(Default)]
struct Reading<'a> {
    anatomy: Anatomy<'a>,
    /// Those inside the outermost component.
    frames: Vec<Frame>,
    cores: Cores,
    used: Used<'a>,
}

impl<'a> Reading<'a> {
    fn take(&mut self, payload: Payload<'a>) -> Result<(), String> {
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                let bytes = unchecked_range.end - unchecked_range.start;
                let core = self.cores.begin(bytes);
                self.enter(Frame::Core(core))
            }
            Payload::ComponentSection { .. } => {
                self.anatomy.components += 1;
                self.enter(Frame::Component(self.anatomy.components))
            }
            Payload::End(_) => {
                self.frames.pop();
                Ok(())
            }
            Payload::CustomSection(section) => {
                self.custom(&section);
                Ok(())
            }
            payload => {
                let read = match self.frames.last() {
                    Some(Frame::Core(core)) => self.cores.take(*core, payload),
                    None => self.used.take(payload),
                    Some(Frame::Component(_)) => Ok(()),
                };
                read.map_err(|e| e.to_string())
            }
        }
    }

    fn enter(&mut self, frame: Frame) -> Result<(), String> {
        if self.frames.len() >= NESTING_MAX {
            return Err(format!("it is nested deeper than {NESTING_MAX}"));
        }
        self.frames.push(frame);
        Ok(())
    }

    fn custom(&mut self, section: &CustomSectionReader<'a>) {
        let Anatomy { manifests, sections, producers, hits, left_out, .. } = &mut self.anatomy;
        let (name, data) = (short(section.name()), section.data());
        let within = match self.frames.last() {
            None => "the component".to_owned(),
            Some(Frame::Component(n)) => format!("component {n} in it"),
            Some(Frame::Core(core)) => cores::name(*core),
        };
        if name == MANIFEST_SECTION && manifests.len() < LISTED_MAX {
            manifests.push(data);
        }
        if let KnownCustom::Producers(fields) = section.as_known() {
            add_producers(producers, fields);
        }
        let place = format!("section `{name}` of {within}");
        *left_out += data::scan(data, &place, hits);
        if sections.len() < LISTED_MAX {
            sections.push(Section { name: name.to_owned(), bytes: data.len() as u64, within });
        } else {
            *left_out += 1;
        }
    }
}

/// As far as they can be read; nothing else depends on them.
fn add_producers(to: &mut Vec<Producer>, fields: wasmparser::ProducersSectionReader<'_>) {
    for field in fields.into_iter().map_while(Result::ok) {
        for value in field.values.into_iter().map_while(Result::ok) {
            if to.len() >= LISTED_MAX {
                return;
            }
            to.push(Producer {
                field: field.name.to_owned(),
                name: short(value.name).to_owned(),
                version: short(value.version).to_owned(),
            });
        }
    }
}
