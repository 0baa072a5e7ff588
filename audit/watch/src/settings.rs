//! What the operator sets of the detections: section `detections` of audit.yaml.

use audit::Response;
use serde::Deserialize;

use crate::finding::Kind;

macro_rules! detection {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            /// Whether it is looked for.
            pub enabled: bool,
            /// What is done about it.
            pub response: Response,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { enabled: true, response: Response::Record, $($field: $default),* }
            }
        }
    };
}

/// All detections. Durations are whole seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// Refused again and again.
    pub repeated_denials: RepeatedDenials,
    /// A credential where it is not used.
    pub credential_misuse: CredentialMisuse,
    /// Names that carry data.
    pub dns_tunnelling: DnsTunnelling,
    /// A program that was not there before.
    pub new_binary: NewBinary,
    /// A program from a download.
    pub downloaded_program: DownloadedProgram,
    /// Much more than before.
    pub sudden_volume: SuddenVolume,
    /// Marks of an injected instruction.
    pub prompt_injection: PromptInjection,
    /// Changes outside the operator's hours.
    pub out_of_hours_change: OutOfHoursChange,
}

detection! {
    /// The same program is refused the same thing, or much is refused at all.
    RepeatedDenials {
        /// Denials of one program towards one host (or of one file) within the window.
        same: u64 = 10,
        /// Denials of the whole sandbox within the window: this one cannot be got around with many hosts.
        all: u64 = 60,
        /// Seconds.
        window: u64 = 60,
    }
}
detection! {
    /// A placeholder was sent where its credential is not used.
    CredentialMisuse {
        /// Seconds for which the same host is not reported again.
        quiet: u64 = 60,
    }
}
detection! {
    /// Names carry data.
    DnsTunnelling {
        /// Characters from which on a label is long.
        label: u64 = 40,
        /// Hundredths of a bit per character from which on a label of at least 20 looks random.
        entropy_hundredths: u64 = 380,
        /// Long or random names below one domain within the window.
        odd_names: u64 = 8,
        /// Different names below one domain within the window.
        names: u64 = 100,
        /// Seconds.
        window: u64 = 60,
    }
}
detection! {
    /// A program that was not seen while the sandbox was young.
    NewBinary {
        /// Seconds from the sandbox's first record on in which every program is taken as known.
        learn: u64 = 600,
        /// SHA-256 of programs that are known from the start.
        baseline: Vec<String> = Vec::new(),
    }
}
detection! {
    /// A program in a directory that the agent writes, after a download.
    DownloadedProgram {
        /// Directories that the agent can write, of programs.
        directories: Vec<String> =
            ["/tmp", "/var/tmp", "/dev/shm", "/work", "/home", "/root"].map(str::to_owned).to_vec(),
        /// Seconds after a download.
        window: u64 = 3600,
    }
}
detection! {
    /// More goes out than before.
    SuddenVolume {
        /// Bytes of bodies in one window below which nothing is reported.
        floor: u64 = 64 * 1024 * 1024,
        /// How many times the sandbox's own earlier mean it must be.
        factor: u64 = 8,
        /// Seconds.
        window: u64 = 60,
    }
}
detection! {
    /// The router found marks of an injected instruction.
    PromptInjection {
        /// Marks in one prompt from which on it is reported.
        marks: u64 = 1,
    }
}
detection! {
    /// Changes outside hours (UTC). Nothing is reported while the two are equal.
    OutOfHoursChange {
        /// First hour in which changes are expected.
        from: u64 = 0,
        /// First hour in which they no longer are.
        to: u64 = 0,
    }
}

impl Settings {
    /// What is done about a finding of this kind; `None`: it is not looked for.
    #[must_use]
    pub fn response(&self, kind: Kind) -> Option<Response> {
        let (enabled, response) = match kind {
            Kind::RepeatedDenials => (self.repeated_denials.enabled, self.repeated_denials.response),
            Kind::CredentialMisuse => (self.credential_misuse.enabled, self.credential_misuse.response),
            Kind::DnsTunnelling => (self.dns_tunnelling.enabled, self.dns_tunnelling.response),
            Kind::NewBinary => (self.new_binary.enabled, self.new_binary.response),
            Kind::DownloadedProgram => (self.downloaded_program.enabled, self.downloaded_program.response),
            Kind::SuddenVolume => (self.sudden_volume.enabled, self.sudden_volume.response),
            Kind::PromptInjection => (self.prompt_injection.enabled, self.prompt_injection.response),
            Kind::OutOfHoursChange => (self.out_of_hours_change.enabled, self.out_of_hours_change.response),
        };
        enabled.then_some(response)
    }

    /// Whether the figures make sense; what is wrong and what to write, if not.
    ///
    /// # Errors
    /// A key with a figure that would report everything, nothing, or need memory without a bound.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let counts = [
            ("repeated-denials.same", self.repeated_denials.same),
            ("repeated-denials.all", self.repeated_denials.all),
            ("dns-tunnelling.odd_names", self.dns_tunnelling.odd_names),
            ("dns-tunnelling.names", self.dns_tunnelling.names),
            ("prompt-injection.marks", self.prompt_injection.marks),
            ("sudden-volume.factor", self.sudden_volume.factor),
        ];
        let windows = [
            ("repeated-denials.window", self.repeated_denials.window),
            ("dns-tunnelling.window", self.dns_tunnelling.window),
            ("sudden-volume.window", self.sudden_volume.window),
            ("downloaded-program.window", self.downloaded_program.window),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, count)| !(1..=10_000).contains(count)) {
            return Err((key, "write a number from 1 to 10000"));
        }
        if let Some((key, _)) = windows.iter().find(|(_, window)| !(1..=86_400).contains(window)) {
            return Err((key, "write a number of seconds from 1 to 86400"));
        }
        let hours = &self.out_of_hours_change;
        if hours.from > 23 || hours.to > 24 {
            return Err(("out-of-hours-change", "write hours of UTC: `from` 0 to 23, `to` 0 to 24"));
        }
        Ok(())
    }
}
