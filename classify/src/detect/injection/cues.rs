//! The words at which the finder begins, in five languages. Words are parted by `;`; one that ends in `*` is the
//! beginning of longer ones.
//!
//! Data only: what a word shows, and beside which others, its users know.

/// What a word may be a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cue {
    /// To leave something aside, in the imperative.
    Dismiss,
    /// The same, of words that are said of other things as well: only of what is the model's own.
    Loosen,
    /// Not to follow something.
    Unfollow,
    /// What a model is told: instructions, rules.
    Rules,
    /// All that it was told.
    Everything,
    /// What it was told holds no more.
    Void,
    /// There is a new task.
    NewTask,
    /// From here on.
    FromNow,
    /// Who is spoken to is a model.
    Address,
    /// Something is to be kept from the user.
    Secrecy,
    /// The text that a model begins with.
    Prompt,
    /// The same, named as the model's own.
    OwnPrompt,
    /// What stands above.
    AboveText,
    /// What was talked about, and what is the user's.
    Talk,
    /// Credentials.
    Secret,
    /// Files that hold them.
    SecretFile,
    /// A picture in Markdown.
    Image,
    /// A model without bounds.
    Unbound,
    /// A mark of a chat template that begins a turn.
    Turn,
    /// A tag or heading that claims to be the system's.
    SystemTag,
    /// A line that claims to be the system's.
    SystemLine,
    /// A mark of a tool's call or of its answer.
    Tool,
    /// What a reader does not see of a page.
    Unseen,
}

/// Each cue with its words.
pub(super) const CUES: &[(Cue, &str)] = &[
    (
        Cue::Dismiss,
        "ignore;disregard;forget;pay no attention;set aside;take no notice;do not consider;don't consider;dismiss;\
         ignoriere;ignorieren sie;vergiss;vergessen sie;missachte;missachten sie;setze dich über;setz dich über;\
         lass alle;ignorez;oublie;oubliez;fais abstraction;faites abstraction;ne tiens pas compte;ne tenez pas compte;\
         laisse tomber;laissez tomber;ne prends pas en compte;ignora;ignore todas;ignore las;olvida;olvide;olvídate;\
         no hagas caso;no haga caso;haz caso omiso;haga caso omiso;descarta;dimentica;scorda;scordati;tralascia;\
         non considerare;non tenere conto",
    ),
    (
        Cue::Loosen,
        "override;bypass;skip;drop;abandon;neglect;discard;cancel;break;overrule;circumvent;disable;turn off;suspend;\
         remove;violate;umgehe;brich;deaktiviere;contourne;contournez;abandonne;désactive;rompe;omite;desactiva;\
         infrangi;aggira;disattiva;abbandona;non devi più rispettare;no sigas",
    ),
    (
        Cue::Unfollow,
        "do not follow;don't follow;do not obey;don't obey;stop following;stop obeying;no longer follow;\
         no longer obey;befolge;beachte;befolgen sie;beachten sie;ne suis pas;ne suis plus;\
         ne suivez pas;ne suivez plus;no sigas;no siga;ya no sigas;non seguire;non seguire più;non rispettare",
    ),
    (
        Cue::Rules,
        "instruction;instructions;instruct;directive;directives;direction;directions;guideline;guidelines;guidance;\
         rules;prompt;prompts;orders;commands;constraints;restrictions;criteria;programming;training;limitations;\
         safeguards;system message;safety polic*;content polic*;polic*;filters;ethics;requests;task;anweisung*;\
         regeln;vorgaben;richtlinie*;befehle;instruktionen;systemprompt;einschränkungen;consigne*;règle*;regles;\
         instrucciones;indicaciones;órdenes;ordenes;reglas;directrices;restricciones;istruzion*;indicazioni;\
         regole;direttive;restrizioni;ordini;protocols;safety measures;linee guida;lineamientos;leitlinien;sicherheitsregeln;safety guidelines;security rules;règles de sécurité;moral guidelines;content guidelines",
    ),
    (
        Cue::Everything,
        "everything;anything that;all that;all of the above;what they asked;what you were asked;what you were told;alles;\
         tout ce;todo lo;tutto quello;tutto ciò;quanto ti",
    ),
    (
        Cue::Void,
        "no longer apply;no longer valid;do not apply;don't apply;are outdated;are void;is void;are revoked;\
         has revoked;have been revoked;are cancelled;are canceled;are suspended;are superseded;are obsolete;are lifted;\
         supersede any;supersede all;replace any;replace all;are null;aufgehoben;gelten nicht mehr;ungültig;\
         ne s'appliquent plus;ne sont plus valables;sont annulées;quedan anuladas;ya no aplican;ya no son válidas;\
         non valgono più;sono annullate;non sono più valide;have changed;has changed;protocols disabled;are disabled;is disabled;have been disabled;have been lifted;are deactivated;are ignored;does not apply;ne s'appliquent pas;no se aplican;non valgono;non si applicano;gelten hier nicht;gelten nicht;deaktiviert",
    ),
    (
        Cue::NewTask,
        "your new task;your real task;your actual task;your only task;your new goal;your real goal;your only goal;\
         your new objective;your only objective;your real objective;your true objective;your new mission;your new job;\
         your new role;your new instructions;your updated instructions;your real instructions;new instructions;\
         updated instructions;new directive;the real task;the actual task;new task;do this instead;\
         follow these instead;deine neue aufgabe;ihre neue aufgabe;neue anweisung*;ta nouvelle tâche;\
         votre nouvelle tâche;nouvelles instructions;tu nueva tarea;su nueva tarea;nuevas instrucciones;\
         il tuo nuovo compito;nuove istruzioni;la tua nuova attività;do exactly what it says;do what it says;follow its instructions;execute its instructions;the correct task",
    ),
    (
        Cue::FromNow,
        "from now on;from this point on;from here on;henceforth;ab jetzt;von nun an;ab sofort;à partir de maintenant;\
         désormais;dorénavant;a partir de ahora;desde ahora;de ahora en adelante;d'ora in poi;da ora in poi;\
         d'ora in avanti",
    ),
    (
        Cue::Address,
        "you are an ai;you are a large language;you are a language model;you are an llm;you are an assistant;\
         you're an ai;you're an llm;note to ai*;note to llm*;note to the ai*;note to the assistant;attention ai*;\
         attention llm*;attention assistant;dear ai;dear llm;dear assistant;dear chatgpt;hey assistant;hey ai;\
         hey chatgpt;hey claude;hello assistant;to the ai;to the chatbot;to the assistant;to the llm;to any ai;\
         ai assistant*;ai agent*;ai model*;ai reviewer*;llm reviewer*;ai system*;llms;llm;language model*;the assistant;\
         assistants;assistant must;assistant should;assistant may;chatbots;agents must;agents should;ki-assistent*;\
         ki-modell*;sprachmodell*;assistant ia;assistants ia;modèle de langage;asistente de ia;modelo de lenguaje;\
         assistente ia;assistente ai;modello linguistico;note to the bot;note to bot*;for the assistant;note to self;to the bot;attention bot;for ai*;for the ai;assistant instructions;hinweis an die ki;hinweis an den assistenten;note à l'assistant;note pour l'ia;nota para la ia;nota para el asistente;nota per l'ia;nota per l'assistente",
    ),
    (
        Cue::Secrecy,
        "not tell the user;n't tell the user;without telling;not inform the user;not mention;without mentioning;\
         not notify;without notifying;without informing;not alert the user;hide this from;keep this from;\
         keep this secret;quietly;secretly;covertly;silently;discreetly;without the user;not show this;\
         not ask for confirmation;without asking;without confirmation;heimlich;erwähne es nicht;erwähne das nicht;\
         sage es nicht;ohne es zu erwähnen;sans le dire;sans prévenir;en secret;discrètement;ne le dis pas;\
         sin avisar;sin decir*;en secreto;no lo menciones;senza dirlo;senza avvis*;di nascosto;in segreto;\
         non dirlo",
    ),
    (
        Cue::Prompt,
        "system prompt;systemprompt;system message;system instruction*;prompt système;prompt du système;\
         consignes système;instructions système;prompt del sistema;prompt de sistema;mensaje del sistema;\
         prompt di sistema;messaggio di sistema;systemnachricht;hidden prompt;initial prompt;original prompt;\
         configuration prompt;developer message;developer prompt;developer instruction*;hidden instructions;\
         secret instructions;initial instructions;original instructions;internal instructions;hidden rules;\
         internal rules;preamble;instructions you;rules you;prompt you;instructions initiales;\
         instructions cachées;instructions internes;anweisungen, die du;regeln, die du;\
         ursprünglichen anweisungen;internen anweisungen;geheimen anweisungen;instrucciones que;\
         instrucciones internas;instrucciones iniciales;instrucciones ocultas;istruzioni nascoste;\
         istruzioni iniziali;istruzioni interne;istruzioni che hai;istruzioni che ti;systemanweisung*;operating instructions;instructions système;istruzioni di sistema;instrucciones del sistema",
    ),
    (
        Cue::OwnPrompt,
        "your instructions;your prompt;your initial;your original;your hidden;your secret;your system;your internal;\
         your full configuration;your guidelines;all of your rules;deine anweisungen;deinen prompt;ihre anweisungen;\
         tes instructions;tes consignes;ton prompt;vos instructions;vos consignes;votre prompt;tus instrucciones;\
         tu prompt;sus instrucciones;le tue istruzioni;il tuo prompt;deine system*;deinen system*;deine regeln;your rules verbatim;your configuration",
    ),
    (
        Cue::AboveText,
        "words above;text above;everything above;everything before;all text that;all of the above;text that precedes;\
         all the text before;sentences above;content above;conversation above this;text oben;texte ci-dessus;\
         texto anterior;testo sopra",
    ),
    (
        Cue::Talk,
        "conversation;conversations;chat history;chat log*;message history;all messages;messages in this;the user types;\
         the user says;the user's;user's messages;customer's;chatverlauf;gesprächsverlauf;unterhaltung;\
         des nutzers;des benutzers;historique;conversación;historial;del usuario;conversazione;cronologia;\
         dell'utente;de l'utilisateur;user data;customer list;customer emails;customer data;customer records;client list;contact list;all emails;inbox;données clients;donnees clients;données des clients;kundendaten;kundenliste;datos de clientes;datos de los clientes;dati dei clienti;user records;personal data;summary of this conversation;internal documents",
    ),
    (
        Cue::Secret,
        "api keys;api key;credentials;passwords;password;private keys;private key;secret keys;access tokens;\
         environment variables;browser cookies;session cookies;all secrets;zugangsdaten;passwörter;anmeldedaten;\
         mots de passe;identifiants;clés api;contraseñas;credenciales;claves api;credenziali;chiavi api",
    ),
    (
        Cue::SecretFile,
        "id_rsa;id_ed25519;.aws/credentials;.env;/etc/shadow;/etc/passwd;.netrc;.git-credentials;.npmrc;kubeconfig;\
         .kube/config;wallet.dat",
    ),
    (Cue::Image, "!["),
    (
        Cue::Unbound,
        "do anything now;without any restriction*;without restriction*;without limit*;without any limit*;\
         without filter*;without any filter*;without rules;no restriction*;no ethical;no moral*;no rules;no filter*;\
         no safety;no limitation*;no limits;zero limitation*;zero restriction*;no content polic*;no guidelines;\
         unrestricted;uncensored;unfiltered*;jailbroken;freed of;freed from;free from;free of all;never refuse*;\
         never allowed to refuse;cannot refuse;ignores content polic*;any content;policies do not apply;developer mode;\
         god mode;dan mode;evil mode;amoral;ohne einschränkung*;ohne regeln;keine regeln;ohne filter;ohne grenzen;\
         ohne moral*;sans restriction*;sans aucune restriction;sans filtre*;sans aucun filtre;sans censure;sans limite*;\
         sans aucune limite;sans morale;sin restriccion*;sin ninguna restricción;sin límites;sin limites;sin filtros;\
         sin censura;sin reglas;senza restrizioni;senza alcuna restrizione;senza filtri;senza limiti;senza censura;\
         senza regole;senza morale;not bound by;not constrained by;no longer bound;no longer constrained;any type of content;any kind of content;can do anything;broken free;not have to abide;not adhere to;not follow openai*;not care about ethic*;not care about moral*;unethical;immoral;openai's polic*;openai polic*;openai's content polic*;openai's guidelines;openai guidelines;content policy;cannot decline;can't refuse;never decline;never say no;never says no;never say that you can*;no warnings;without warnings;opposite mode;no censorship;without censorship;regardless of ethic*;regardless of legal*;regardless of moral*;ethical guidelines;moral guidelines;no morals;no ethics;no boundaries;without boundaries;never reject*;break free;jailbreak;modo desarrollador;modo dan;entwicklermodus;mode développeur;modalità sviluppatore;sin filtro;sin ningún filtro;sin ningun filtro;senza filtro;sans restrictions;ohne jede einschränkung",
    ),
    (
        Cue::Turn,
        "<|im_start|>;<|start_header_id|>;<|system|>;<|user|>;<|assistant|>;<|start|>;<start_of_turn>;[inst];[/inst];\
         <<sys>>;<|start_of_turn_token|>;<|start_of_role|>;<|turn|>;<|im_system|>;<|header_start|>;<|system_start|>",
    ),
    (
        Cue::SystemTag,
        "<system>;<system_prompt>;<system_message>;<system-prompt>;<developer>;[system];[system message];[system prompt];\
         begin system prompt;begin system message;### system:;## system:;### instruction:;## instruction:;\
         ### new instructions;system override;</user_input>;</untrusted*;system note;system update;system notice;system alert;system notification;note système;nota di sistema;nota del sistema;systemhinweis;admin override;developer override;begin new instructions",
    ),
    (Cue::SystemLine, "system:;system message:;developer:;admin:;administrator:;assistant:;override:"),
    (
        Cue::Tool,
        "<tool_call>;<tool_response>;<tool_result>;<function_calls>;<function_results>;<invoke name=;<function=;\
         <|python_tag|>;[tool_calls];<|tool_call*;<|tool_calls*;to=functions.;<tool_use;<tool_code>;[tool_results];\
         action input:",
    ),
    (
        Cue::Unseen,
        "<!--;[//]:;[comment]:;display:none;display: none;visibility:hidden;visibility: hidden;font-size:0;font-size: 0;\
         font-size:1px;opacity:0;opacity: 0;color:white;color: white;color:#fff*;color: #fff*;color=\"white\";<p hidden;\
         <div hidden;<span hidden;text-indent:-9*;aria-hidden=\"true\"",
    ),
];
