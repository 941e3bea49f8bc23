// Generated from schema/config.json by `npm run generate`. Do not edit.

/**
 * Every key of the configuration file. Own keywords: "x-secret" (may be read from a file named by an environment variable ending in _FILE, never shown), "x-path" (a path: "local" is resolved from the working directory, "shipped" too, and where its default is not found there, it is the file that comes with the server), "x-allowed" (what a value may be, in words).
 */
export interface ConfigFile {
  /**
   * The HTTP listener and the process.
   */
  server: {
    /**
     * Address to listen on. Anything but a loopback address needs a registration of your own (D24).
     */
    host: string;
    /**
     * TCP port to listen on; 0 takes any free one.
     */
    port: number;
    /**
     * Where clients reach this server from outside: scheme, host and port. Issuer of tokens and base of every link. https:// unless the host is loopback (section 11.1).
     */
    public_url: string;
    /**
     * Directory for what the server writes: the SQLite database and the key ring, unless they are placed elsewhere.
     */
    data_dir: string;
    /**
     * Which parts this process runs: the HTTP interface, the receiver of homeserver transactions, the worker for queued jobs (section 13.2).
     *
     * @minItems 1
     */
    roles: ('api' | 'appservice' | 'worker')[];
    /**
     * Addresses of the proxies whose forwarded headers count; from anyone else they are ignored (D15).
     */
    trusted_proxies: string[];
    /**
     * Seconds that running requests and jobs get to finish after a signal to stop.
     */
    shutdown_grace_seconds: number;
    /**
     * Largest request body in bytes, 1 MiB; a larger one is answered 413 (D13).
     */
    body_limit_bytes: number;
    /**
     * Largest transaction of the homeserver in bytes, 50 MiB. Homeservers send a refused transaction again for ever, so that this is far above 100 events of Matrix's 64 KiB (D12).
     */
    appservice_body_limit_bytes: number;
    /**
     * Seconds in which all headers of a request have to arrive.
     */
    headers_timeout_seconds: number;
    /**
     * Seconds in which a whole request has to arrive, its body included; how long the answer takes does not count.
     */
    request_timeout_seconds: number;
    /**
     * Largest headers of a request in bytes, 16 KiB; larger ones are answered 431.
     */
    max_header_bytes: number;
    /**
     * Most connections at a time; further ones are closed at once.
     */
    max_connections: number;
  };
  /**
   * Where everything durable is kept.
   */
  database: {
    /**
     * SQLite file or PostgreSQL database. {data_dir} stands for server.data_dir; a relative path is resolved from the working directory. A secret, because it may carry a password.
     */
    url: string;
    /**
     * Most connections at a time; PostgreSQL only, SQLite has one.
     */
    pool_size: number;
    /**
     * Milliseconds that SQLite waits for the write lock of another process.
     */
    busy_timeout_ms: number;
    /**
     * Milliseconds that PostgreSQL waits for a row lock before the transaction is tried again.
     */
    lock_timeout_ms: number;
  };
  /**
   * Shared rate-limit counters for several processes. When it does not answer, each process counts alone until it does.
   */
  redis: {
    /**
     * Redis server. Without it each process counts alone (D15, section 11.4.3). A secret, because it may carry a password.
     */
    url?: string;
  };
  /**
   * The Matrix homeserver that this application service belongs to.
   */
  homeserver: {
    /**
     * Client-server API of the homeserver, as reached from here.
     */
    url: string;
    /**
     * Client-server API of the homeserver, as browsers reach it: where they are sent for single sign-on. homeserver.url when it is not set.
     */
    public_url?: string;
    /**
     * Server name of the homeserver: the part of user ids after the colon.
     */
    domain: string;
    /**
     * Application service registration file, the same that the homeserver loads (section 3.1.2). The default is the one that is shipped for development; make your own with `tmcp register`.
     */
    registration: string;
    /**
     * Milliseconds before a request to the homeserver counts as unanswered.
     */
    request_timeout_ms: number;
    /**
     * Other server names whose users may sign in with a Matrix OpenID token (D1.1, section 13.1).
     */
    openid_servers: string[];
  };
  /**
   * The bots and what they do in rooms.
   */
  appservice: {
    /**
     * Most answers per minute to the events of one sender in one room (D11).
     */
    answers_per_minute: number;
    /**
     * Largest content in bytes of an event that a bot acts upon, 16 KiB; larger ones are answered with an error (D11).
     */
    max_event_content_bytes: number;
    /**
     * Whether the bots follow invites from this homeserver's own users; others are never followed (D11).
     */
    auto_join_local_invites: boolean;
    /**
     * Display name of the main bot, @_tmcp (D11).
     */
    bot_display_name: string;
    /**
     * Display name of the payments bot, @_tmcp_payments (section 4.11.2, D11).
     */
    payments_display_name: string;
  };
  /**
   * Matrix Authentication Service (D1.2, section 4.2). Leave the whole section out if the homeserver has none: users are then proven by the homeserver itself (D1.3).
   */
  mas?: {
    /**
     * Issuer, exactly as its discovery document spells it. https:// unless the host is loopback.
     */
    issuer: string;
    /**
     * Id of the confidential client that this server is there; MAS wants a ULID.
     */
    client_id: string;
    /**
     * Secret of that client.
     */
    client_secret: string;
    /**
     * Whether signing in for a mini-app that wants messaging:send also asks MAS for the right to act for the user (section 4.16). Then the app's messages are the user's own, and this server holds a Matrix refresh token for each such user and app, sealed, until the scope is withdrawn. Otherwise apps speak as their own virtual users.
     */
    act_for_users: boolean;
    /**
     * When not empty, only Matrix tokens of these MAS clients count as the user's hand (D1.2).
     */
    host_clients: string[];
  };
  /**
   * Lifetimes of codes, tokens and keys.
   */
  oauth: {
    /**
     * Lifetime of a mini-app access token (TEP) in seconds, 24 h; can only be lowered (section 11.2, D3).
     */
    access_token_seconds: number;
    /**
     * Lifetime in seconds of a token for a reserved audience, 1 h; can only be lowered (D2).
     */
    first_party_access_token_seconds: number;
    /**
     * Lifetime in seconds of the token that a confidential client gets for itself (client credentials), 1 h; there is no refresh token (section 9.1.1).
     */
    client_token_seconds: number;
    /**
     * Lifetime of a refresh token in seconds, 30 days (section 11.2, D3).
     */
    refresh_token_seconds: number;
    /**
     * Lifetime of an official app's privileged token in seconds, 1 h; 24 h at most (D3, section 16.7).
     */
    privileged_token_seconds: number;
    /**
     * Seconds in which a refresh token that was just used gets the same successor again, for answers lost on the way (D3).
     */
    refresh_grace_seconds: number;
    /**
     * Lifetime of an authorization code in seconds (RFC 6749 section 4.1.2: 10 minutes at most).
     */
    authorization_code_seconds: number;
    /**
     * Lifetime of a device code in seconds, 15 min (section 4.3.2).
     */
    device_code_seconds: number;
    /**
     * How long a browser stays signed in on the authorization pages, 14 days; users see and end these sessions at /oauth2/sessions.
     */
    browser_session_seconds: number;
    /**
     * Days after which a new key signs access tokens; the old one verifies until the last token that it signed has expired (D24).
     */
    signing_key_rotation_days: number;
  };
  /**
   * Where money is kept, and what a wallet may do.
   */
  wallet: {
    /**
     * The embedded ledger, or a wallet service of your own (section 6.1).
     */
    adapter: 'ledger' | 'remote';
    /**
     * The wallet service; needed when wallet.adapter is remote.
     */
    remote?: {
      /**
       * Base URL of the wallet service.
       */
      url: string;
      /**
       * Key that this server presents to the wallet service.
       */
      api_key: string;
      /**
       * Key of the HMAC on the wallet service's callbacks; without it callbacks are answered 404 (D14).
       */
      webhook_secret?: string;
      /**
       * Longest wait for one answer of the wallet service; a lost one is asked for again.
       */
      timeout_ms: number;
      /**
       * How long a request of a user waits for the wallet service to carry out what it was told. After that the answer says processing, and a job goes on asking.
       */
      answer_wait_ms: number;
      /**
       * Failures among the last breaker_window calls of a kind that open its circuit (section 7.7.2).
       */
      breaker_failures: number;
      /**
       * Calls of a kind that its circuit breaker looks back on (section 7.7.2).
       */
      breaker_window: number;
      /**
       * How long nothing is asked of the wallet service once a circuit has opened (section 7.7.2).
       */
      breaker_open_seconds: number;
      /**
       * While a circuit is half open, one call is let through in so much time (section 7.7.2).
       */
      breaker_probe_seconds: number;
    };
    /**
     * ISO 4217 code of the currency that a wallet is shown in when its owner chose none.
     */
    default_currency: string;
    /**
     * Hours for which the answer to a request with an idempotency key is kept and replayed (section 11.3: at least 24).
     */
    idempotency_hours: number;
    /**
     * Limits of verification level 1: the account is activated.
     */
    basic: {
      /**
       * Largest single transfer, gift or payment, in whole units of its currency.
       */
      transaction_limit: number;
      /**
       * Most that goes out in a day (UTC), in whole units of each currency.
       */
      daily_limit: number;
      /**
       * Most that goes out in a calendar month (UTC), in whole units of each currency.
       */
      monthly_limit: number;
    };
    /**
     * Limits of verification level 2: an administrator has seen proof of identity.
     */
    verified: {
      /**
       * Largest single transfer, gift or payment, in whole units of its currency.
       */
      transaction_limit: number;
      /**
       * Most that goes out in a day (UTC), in whole units of each currency.
       */
      daily_limit: number;
      /**
       * Most that goes out in a calendar month (UTC), in whole units of each currency.
       */
      monthly_limit: number;
    };
    /**
     * Limits of verification level 3: an administrator has seen proof of identity and address.
     */
    enhanced: {
      /**
       * Largest single transfer, gift or payment, in whole units of its currency.
       */
      transaction_limit: number;
      /**
       * Most that goes out in a day (UTC), in whole units of each currency.
       */
      daily_limit: number;
      /**
       * Most that goes out in a calendar month (UTC), in whole units of each currency.
       */
      monthly_limit: number;
    };
  };
  /**
   * Payments to mini-apps (section 7.3).
   */
  payments: {
    /**
     * How long a payment can be authorized before it expires, 5 min (D8).
     */
    authorize_seconds: number;
  };
  /**
   * Transfers between people (section 7.2).
   */
  transfers: {
    /**
     * Whether the recipient has to accept (section 7.2.7): never, always, or above transfers.acceptance_above.
     */
    recipient_acceptance: 'never' | 'always' | 'above';
    /**
     * With recipient_acceptance above: the largest amount that needs no acceptance, in whole units of its currency.
     */
    acceptance_above: number;
    /**
     * How long a transfer can be confirmed (D8).
     */
    confirm_seconds: number;
    /**
     * How long a transfer can be accepted before the money goes back: 24 h (section 7.2.7).
     */
    acceptance_seconds: number;
    /**
     * Announce each transfer as m.tween.p2p.transfer too, the specification's second name for m.tween.wallet.p2p (D19).
     */
    send_second_event: boolean;
  };
  /**
   * Gifts (section 7.5).
   */
  gifts: {
    /**
     * How a random gift is split. even_chance: each share is 10 % to 190 % of what remains per head. specification: 10 % to 30 % of the average, and the rest to one (D10).
     */
    random_algorithm: 'even_chance' | 'specification';
    /**
     * Most shares of one gift.
     */
    max_count: number;
    /**
     * How long a gift can be confirmed.
     */
    confirm_seconds: number;
    /**
     * How long a gift can be opened when its giver says nothing: 24 h; also the longest that a giver can say (section 7.5.2).
     */
    lifetime_seconds: number;
  };
  /**
   * Second factors: PIN, authenticator codes, device keys and passkeys, and when they are asked for.
   */
  mfa: {
    /**
     * Fewest digits of a PIN; 12 is the most (D7).
     */
    min_pin_length: number;
    /**
     * Wrong proofs with one factor of one user, across everything, before that factor is locked (D7).
     */
    max_attempts: number;
    /**
     * Length of the first lock in seconds, 15 min; each further one is twice as long, until that factor succeeds (D7).
     */
    lock_seconds: number;
    /**
     * Longest lock in seconds, 24 h.
     */
    max_lock_seconds: number;
    /**
     * Lifetime of a challenge in seconds, 2 min (D7).
     */
    challenge_seconds: number;
    /**
     * Age in seconds up to which a session's proof by Matrix token lets a user enrol the first factor or ask for a new PIN, 5 min; can only be lowered (D20).
     */
    fresh_sign_in_seconds: number;
    /**
     * Seconds for which the wallet's limits are lower after a factor was added, changed or removed, 24 h (D20).
     */
    lowered_limits_seconds: number;
    /**
     * How much of the wallet's limits counts during that time (D20).
     */
    lowered_limits_percent: number;
    /**
     * Seconds after which a PIN that was reset takes effect, 24 h; until then it can be cancelled (D20).
     */
    pin_reset_seconds: number;
    /**
     * Seconds for which a registered device counts as new, 24 h.
     */
    new_device_seconds: number;
    /**
     * Whether a payment that a new device signed needs another factor besides, if the user has one.
     */
    require_for_new_device: boolean;
    /**
     * Whether the first payment to a merchant needs a second proof.
     */
    require_for_first_payment: boolean;
    /**
     * Amounts over which a payment needs a second proof, one for each currency; currencies that are not listed have none.
     */
    require_over: string[];
    /**
     * What authenticator apps and passkey dialogs call this server; homeserver.domain when it is not set.
     */
    issuer_name?: string;
    /**
     * Relying party id of passkeys: a domain of every origin that may use them. The host of server.public_url when it is not set; passkeys are lost when it changes.
     */
    webauthn_rp_id?: string;
    /**
     * Origins besides server.public_url whose pages and apps may use passkeys.
     */
    webauthn_origins: string[];
  };
  /**
   * Who may register mini-apps.
   */
  developers: {
    /**
     * Matrix user ids of developers who may sign in, beside those that administrators add (section 4.4.1). Who leaves this list is removed at the next start; whom an administrator has removed, this list does not bring back.
     */
    whitelist: string[];
    /**
     * Lifetime of a developer token in seconds, 24 h; can only be lowered (section 4.4.8).
     */
    access_token_seconds: number;
    /**
     * Seconds in which an invitation to an organisation can be accepted, 7 days; can only be lowered (section 4.4.8).
     */
    invitation_seconds: number;
    /**
     * The developer console: the platform's own client, through which developers sign in (section 4.4.9).
     */
    console: {
      /**
       * Client ids by which the console may call itself; the specification has two names for it.
       *
       * @minItems 1
       */
      client_ids: string[];
      /**
       * Its secret. Once it is set, developer tokens are issued, refreshed and revoked only with it; without it the console is a public client.
       */
      client_secret?: string;
      /**
       * Addresses to which an authorization code for developers may be sent, compared exactly.
       */
      redirect_uris: string[];
    };
  };
  /**
   * What developers are told of the use of their mini-apps.
   */
  analytics: {
    /**
     * Fewer people than this are not counted out (D18): a number of some, but fewer, is null, and totals have such days in whole groups only. 1 hides nothing.
     */
    min_people: number;
  };
  /**
   * The mini-app store.
   */
  catalog: {
    /**
     * Most mini-apps mirrored as state of the catalogue room, best ranked first; everyone who joins pays for them (D11).
     */
    max_state_apps: number;
    /**
     * Manifest of the official mini-apps (section 16.4).
     */
    preinstalled: string;
    /**
     * Localpart of the alias of the catalogue room, #_tmcp_store (D11).
     */
    room_alias_localpart: string;
    /**
     * Minutes between two computations of the ranking; only apps whose counters changed are computed again, all of them once a day (D17).
     */
    score_interval_minutes: number;
    /**
     * Days for which it is remembered who opened which mini-app when, in which room and with which parameters; what was counted of it stays.
     */
    launch_session_days: number;
    /**
     * Days for which an app that was first published counts as new.
     */
    new_app_days: number;
    /**
     * Most rich cards per minute of one mini-app in one room (section 8.1.3).
     */
    cards_per_minute: number;
    /**
     * Points of the ranking (section 16.6.3, D17).
     */
    ranking: {
      /**
       * Points for installations of people who also opened the app.
       */
      installs_points: number;
      /**
       * Points for people who opened it in the last 30 days.
       */
      actives_points: number;
      /**
       * Points for its ratings.
       */
      rating_points: number;
      /**
       * Points for sessions of each person and day.
       */
      engagement_points: number;
      /**
       * Points for a recent release.
       */
      recency_points: number;
      /**
       * Days after which a release counts half.
       */
      recency_half_life_days: number;
      /**
       * Installations this week without which no app is trending.
       */
      trending_min_installs: number;
      /**
       * Growth over the week before, in percent, that an app must exceed to be trending.
       */
      trending_min_growth_percent: number;
    };
  };
  /**
   * What mini-apps are told that they can do (section 10.5).
   */
  capabilities: {
    /**
     * Capabilities that the clients of this deployment do not offer, whatever the platform.
     */
    disabled: ('camera' | 'location' | 'payment' | 'storage' | 'messaging' | 'biometric')[];
  };
  /**
   * The bot's commands for administrators: !tmcp status, reviews, approve, reject, suspend.
   */
  administration: {
    /**
     * The administrators' room, unencrypted and with the bot in it. Without it there are no commands.
     */
    room_id?: string;
    /**
     * Who may ask: status and reviews.
     */
    viewers: string[];
    /**
     * Who may also decide: approve, reject and suspend. Nobody else, whatever power they have in the room.
     */
    moderators: string[];
  };
  /**
   * Bundles of mini-apps: what may be uploaded, and where the bytes are kept (D16).
   */
  bundles: {
    /**
     * Where the bytes are: in `bundles.directory`, or in the bucket of `bundles.s3`. Several machines need one that all of them see.
     */
    store: 'local' | 's3';
    /**
     * Directory of the local store, and of uploads that are being looked at. {data_dir} stands for server.data_dir.
     */
    directory: string;
    /**
     * A bucket that speaks the S3 protocol.
     */
    s3?: {
      /**
       * Address of the service, where it is not AWS itself.
       */
      endpoint?: string;
      /**
       * Region of the bucket.
       */
      region: string;
      /**
       * Name of the bucket, which must exist.
       */
      bucket: string;
      /**
       * In front of the names of objects.
       */
      prefix: string;
      /**
       * Id of the access key.
       */
      access_key_id: string;
      /**
       * Its secret.
       */
      secret_access_key: string;
      /**
       * Address the bucket by path, as most services besides AWS want it.
       */
      path_style: boolean;
    };
    /**
     * Where clients get bundles: a CDN or an origin of its own in front of /bundles. This server itself when it is not set.
     */
    public_url?: string;
    /**
     * Largest bundle in bytes, 20 MiB.
     */
    max_bytes: number;
    /**
     * Most bytes that a bundle unpacks to, 100 MiB.
     */
    max_unpacked_bytes: number;
    /**
     * Most files in a bundle.
     */
    max_files: number;
    /**
     * Days for which the signature of a release is good; it is signed anew each day (D16).
     */
    signature_days: number;
  };
  /**
   * Review of mini-apps (section 9.3).
   */
  reviews: {
    /**
     * Known vulnerabilities of npm packages: a JSON list of entries in the OSV format. Where there is no such file, dependencies are reported as not looked at. {data_dir} stands for server.data_dir.
     */
    advisories_file: string;
    /**
     * Origins of clients that may show a mini-app in a frame, such as that of an Element Web that opens it as a widget: the check of policies accepts them in frame-ancestors, beside 'none' (section 10.4.2).
     */
    frame_ancestors: string[];
    /**
     * Seconds that the automated checks of one submission may take.
     */
    check_timeout_seconds: number;
    /**
     * Days within which a decision on a verified app is promised (section 9.3.3).
     */
    verified_days: number;
    /**
     * The same for an app of the community.
     */
    community_days: number;
    /**
     * The same for a beta app.
     */
    beta_days: number;
    /**
     * Largest file that may come with an appeal, 5 MiB.
     */
    evidence_max_bytes: number;
    /**
     * Most files that may come with an appeal.
     */
    evidence_max_files: number;
    /**
     * Address that developers who appeal are told.
     */
    contact_email?: string;
  };
  /**
   * What mini-apps' servers are told (section 9.1.2).
   */
  webhooks: {
    /**
     * Seconds for one delivery: connecting, waiting and reading.
     */
    timeout_seconds: number;
    /**
     * Hours for which a delivery is tried.
     */
    give_up_after_hours: number;
    /**
     * Deliveries to one mini-app under way at a time, in each process.
     */
    concurrency_per_app: number;
    /**
     * Days for which settled deliveries are listed and can be replayed.
     */
    retention_days: number;
  };
  /**
   * The audit log.
   */
  audit: {
    /**
     * Days for which entries are kept; the chain stays verifiable behind those that were deleted.
     */
    retention_days: number;
  };
  /**
   * The durable queue: what the world must hear, and what must happen later (D12).
   */
  jobs: {
    /**
     * Attempts of a job before it is parked for an administrator.
     */
    max_attempts: number;
    /**
     * Milliseconds between two looks for due jobs.
     */
    poll_interval_ms: number;
    /**
     * Seconds after which the jobs of a process that died are taken over by another.
     */
    lease_seconds: number;
    /**
     * Most jobs at a time in one process.
     */
    concurrency: number;
    /**
     * Days that finished jobs are kept.
     */
    retention_days: number;
    /**
     * Milliseconds before the second attempt; doubles with each further one.
     */
    backoff_base_ms: number;
    /**
     * Most milliseconds between two attempts.
     */
    backoff_cap_ms: number;
  };
  /**
   * Prometheus metrics, on a listener of their own.
   */
  metrics: {
    /**
     * Whether to serve metrics.
     */
    enabled: boolean;
    /**
     * Address of the metrics listener.
     */
    host: string;
    /**
     * TCP port of the metrics listener; 0 takes any free one.
     */
    port: number;
  };
  /**
   * What the server says while it runs.
   */
  log: {
    /**
     * Least level that is logged.
     */
    level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
    /**
     * One JSON object a line, or text for people; auto is text on a terminal and JSON elsewhere.
     */
    format: 'auto' | 'json' | 'text';
  };
  /**
   * Traces by OpenTelemetry. Nothing of it is loaded unless an address is set; `traceparent` is passed on in any case.
   */
  tracing: {
    /**
     * Where traces are sent, by OTLP over HTTP.
     */
    otlp_url?: string;
    /**
     * The Authorization header for it.
     */
    otlp_authorization?: string;
    /**
     * How many of a hundred traces that begin here are sent; those that begin elsewhere are sent when their traceparent says so.
     */
    sample_percent: number;
  };
  /**
   * Limits on requests (section 11.4.1, D15). `20/1m+5` is twenty in a minute, and five beyond at once.
   */
  rate_limits: {
    /**
     * Whether requests are limited; switch it off only to measure.
     */
    enabled: boolean;
    /**
     * token_bucket refills steadily (section 11.4.2); sliding_window counts the requests of the latest window exactly, and remembers each of them (section 11.4.3).
     */
    algorithm: 'token_bucket' | 'sliding_window';
    /**
     * Device codes from one address (section 11.4.1, "Device code request").
     */
    device_code: string;
    /**
     * Access tokens for one user and client, or for one client itself (section 11.4.1, "Token generation").
     */
    token_generation: string;
    /**
     * Refreshes for one user and client (section 11.4.1, "Token refresh").
     */
    token_refresh: string;
    /**
     * Validations of access tokens: introspections by one client from one address, requests with a token by one user and client where nothing else of this list counts, and refused credentials from one address (section 11.4.1, "TEP validation").
     */
    tep_validation: string;
    /**
     * Payment requests of one user and client (section 11.4.1, "Payment initiation").
     */
    payment_initiation: string;
    /**
     * Authorizations of payments by one user and client (section 11.4.1, "Payment authorization").
     */
    payment_authorization: string;
    /**
     * Payments, transfers and gifts of one user and client that fail; after them every such request is refused, at first with 429, then with 403 (section 11.4.1, "Failed payments").
     */
    failed_payments: string;
    /**
     * Transfers that one user and client begin (section 11.4.1, "P2P transfers").
     */
    p2p_transfers: string;
    /**
     * Looks at the balance (section 11.4.1, "Balance query").
     */
    balance_query: string;
    /**
     * Looks at the history (section 11.4.1, "Transaction history").
     */
    transaction_history: string;
    /**
     * Looks for the wallets of others; a batch is one (section 11.4.1, "User resolution").
     */
    user_resolution: string;
    /**
     * Requests to storage for one entry or page (section 11.4.1, "GET/SET/DELETE").
     */
    storage: string;
    /**
     * Batches and exports of storage (section 11.4.1, "Batch operations").
     */
    storage_batch: string;
    /**
     * Mini-apps that one developer registers (section 11.4.1, "App registration").
     */
    app_registration: string;
    /**
     * Versions and changes of mini-apps by one developer (section 11.4.1, "App updates").
     */
    app_updates: string;
    /**
     * Looks at the analytics of mini-apps by one developer; each sums up to a year.
     */
    analytics: string;
    /**
     * Steps of transfers and gifts after their beginning, and gifts.
     */
    money_changes: string;
    /**
     * Changes of second factors.
     */
    factors: string;
    /**
     * Reads that need no token, from one address or by one user and client.
     */
    public: string;
    /**
     * Pages of the authorization server, from one address.
     */
    pages: string;
    /**
     * Everything else, by one user and client, or from one address.
     */
    general: string;
    /**
     * Requests of one administrator, whatever they are for.
     */
    administration: string;
    /**
     * Appeals of one user against a suspension.
     */
    appeals: string;
    /**
     * Refused requests of one user and client in an hour that suspend the two together; 0: never (section 11.4.5).
     */
    suspend_after_violations: number;
    /**
     * Failed payments of one user and client in a day that suspend the two together; 0: never (section 11.4.5).
     */
    suspend_after_failed_payments: number;
    /**
     * Different ids of payments, transfers, gifts and accounts outside that never were, asked for by one user and client in an hour, that suspend the two together; 0: never (section 11.4.5, suspected automation).
     */
    suspend_after_invented_ids: number;
    /**
     * Tokens of new sessions of one user and client in an hour that suspend the two together; 0: never (section 11.4.5, suspected automation).
     */
    suspend_after_new_tokens: number;
    /**
     * Hours of a day in which requests of one user and client were refused that suspend the two together; 0: never (section 11.4.5, suspected automation).
     */
    suspend_after_refused_hours: number;
    /**
     * Seconds after which a suspension ends by itself.
     */
    suspension_seconds: number;
    /**
     * Days for which appeals are kept, decided or not.
     */
    appeal_days: number;
    /**
     * Where suspended users are sent; without it to POST /api/v1/appeals of this server (section 11.4.5).
     */
    appeal_url?: string;
    /**
     * Refused grants and client authentications from one address in a minute, before it has to wait.
     */
    oauth_failures_per_minute: number;
    /**
     * Wrong secrets of one client from one address in a minute.
     */
    client_secret_failures_per_minute: number;
    /**
     * Attempts to sign in from one address in a minute.
     */
    sign_ins_per_minute: number;
    /**
     * Passwords for one user name in five minutes, wherever they come from.
     */
    passwords_per_5_minutes: number;
    /**
     * User codes of the device flow by one user, or from one address, in ten minutes (RFC 8628 section 5.1).
     */
    user_codes_per_10_minutes: number;
    /**
     * Answers to questions for consent by one user in a minute.
     */
    consents_per_minute: number;
  };
  /**
   * Accounts outside the wallet, fundings and withdrawals (sections 6.5 and 6.6).
   */
  external: {
    /**
     * Who moves money between wallets and accounts outside. sandbox moves none: it is play money that wallets can spend like any other, for trying things out. auto is sandbox where server.host and server.public_url are loopback and wallet.adapter is ledger, and none elsewhere.
     */
    provider: 'auto' | 'sandbox' | 'none';
    /**
     * How long a linked account, a funding or a withdrawal can be confirmed (D20).
     */
    confirm_seconds: number;
    /**
     * Hours for which a linked account can be verified.
     */
    verification_hours: number;
    /**
     * How often the verification of an account may be tried.
     */
    verification_attempts: number;
    /**
     * Most accounts that a user may have linked.
     */
    max_accounts: number;
    /**
     * The largest withdrawal that no administrator has to approve, in whole units of its currency.
     */
    approval_above: number;
    /**
     * How many administrators have to approve a larger one, each once.
     */
    approvals: number;
    /**
     * Hours for which a withdrawal waits for them before its money goes back.
     */
    approval_hours: number;
    /**
     * Seconds between two questions to a provider that has no answer yet.
     */
    ask_again_seconds: number;
    /**
     * Seconds that a provider may take for an answer; after that its outcome is unknown, and it is asked again.
     */
    provider_timeout_seconds: number;
  };
  /**
   * Live notices to users' devices: GET /api/v1/events.
   */
  events: {
    /**
     * Hours for which a device that was away can be told what it missed; after that it is told to look everything up.
     */
    retention_hours: number;
    /**
     * Seconds of silence after which a sign of life is sent: less than proxies on the way wait.
     */
    heartbeat_seconds: number;
    /**
     * Seconds after which a stream is cut whose reader does not take what it was sent.
     */
    slow_reader_seconds: number;
    /**
     * Milliseconds between two looks for notices of other processes, and for sessions that have ended (D3: within a second).
     */
    poll_interval_ms: number;
    /**
     * Streams that one session may have open at once in one process.
     */
    max_streams_per_session: number;
    /**
     * Streams that one process serves at once.
     */
    max_streams: number;
  };
  /**
   * What mini-apps store for their users. The specification's limits are the least that can be set: they can be raised (section 10.3.3).
   */
  storage: {
    /**
     * Bytes of keys and values for each user and mini-app, 10 MiB (section 10.3.3, D9).
     */
    max_bytes: number;
    /**
     * Bytes of one value, 1 MiB (section 10.3.3, D9).
     */
    max_value_bytes: number;
    /**
     * UTF-8 bytes of one key (section 10.3.3).
     */
    max_key_bytes: number;
    /**
     * Keys for each user and mini-app (section 10.3.3).
     */
    max_keys: number;
    /**
     * Longest time to live of an entry that has one, 30 days (section 10.3.4).
     */
    max_ttl_seconds: number;
    /**
     * Days for which deletions are remembered, and answers for writes that come again; a device that was away for longer synchronises from the start (D9).
     */
    tombstone_days: number;
    /**
     * Bytes of memory for entries that are read often, sealed as they are stored; 0 keeps none. What it gains is in docs/architecture.md.
     */
    cache_bytes: number;
    /**
     * Requests of one session that may wait for changes at once in one process.
     */
    max_waiting_per_session: number;
    /**
     * Requests that may wait for changes at once in one process.
     */
    max_waiting: number;
    /**
     * Milliseconds between two looks for changes that other processes made, while somebody waits for changes.
     */
    poll_interval_ms: number;
  };
  /**
   * Development mode, and the keys.
   */
  security: {
    /**
     * Accept the shipped development registration and addresses of loopback. Refused unless server.host, server.public_url and homeserver.url are all loopback; when one is not and this key is not set, it is false (D24, D14).
     */
    development: boolean;
    /**
     * Key ring, made on the first start: it seals what is secret in the database, so keep it apart from backups of that (D24). {data_dir} stands for server.data_dir.
     */
    key_ring: string;
    /**
     * The key ring itself, in place of the file: the JSON that the file would have. It is never changed here; keys are added where it is kept.
     */
    key_ring_text?: string;
    /**
     * Program that prints the key ring, with its arguments, in place of the file; run without a shell, and again when a key is met that it did not print.
     */
    key_ring_command: string[];
  };
}
