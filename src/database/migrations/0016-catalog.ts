import type { Knex } from 'knex';

/** The store as it is browsed, searched and ranked: a projection of the registry that triggers keep in step, and counters of use. */
export async function up(sql: Knex): Promise<void> {
  const postgres = (sql.client as { config: { client: unknown } }).config.client === 'pg';
  await entries(sql, postgres);
  await counters(sql, postgres);
  await people(sql);
  await (postgres ? postgresSearch(sql) : sqliteSearch(sql));
  await adoptRegistry(sql, postgres);
  /** Rich cards of an app in a room in the present minute. */
  await sql.schema.createTable('card_window', (table) => {
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.text('room_id').notNullable();
    table.bigInteger('minute').notNullable();
    table.integer('cards').notNullable();
    table.primary(['miniapp_id', 'room_id']);
  });
}

async function entries(sql: Knex, postgres: boolean): Promise<void> {
  await sql.schema.createTable('catalog_entry', (table) => {
    /** What the counters refer to, and the tie-breaker of every order. */
    table.increments('seq');
    table.text('miniapp_id').notNullable().unique().references('miniapp.miniapp_id');
    /** 1 while the app is active. */
    table.integer('listed').notNullable();
    table.text('category').notNullable();
    table.text('classification').notNullable();
    if (postgres) table.specificType('name_key', 'text COLLATE "C"').notNullable();
    else table.text('name_key').notNullable();
    table.bigInteger('published_at').notNullable().defaultTo(0);
    /** When the version that is offered was. */
    table.bigInteger('released_at').notNullable().defaultTo(0);
    /** Points of the ranking in millionths (specification section 16.6.3). */
    table.bigInteger('score').notNullable().defaultTo(0);
    /** 0 unless the app is trending; in millionths. */
    table.bigInteger('trend').notNullable().defaultTo(0);
    /** Bayesian mean of the ratings in millionths of a star. */
    table.bigInteger('rating_mean').notNullable();
    /** 1 for what the catalogue room shows. */
    table.integer('mirrored').notNullable().defaultTo(0);
    if (postgres) table.specificType('search', 'tsvector');
    /** Where SQLite's search has the app: the better ranked, the lower. See `searchIdOf` in src/catalog/score-repo.ts. */
    else table.bigInteger('search_id').notNullable().defaultTo(0);
  });
  // Each holds all that a page is chosen by, so that what a filter leaves out costs no row.
  for (const [name, order] of [['score', 'score DESC'], ['recent', 'published_at DESC'], ['rating', 'rating_mean DESC'], ['name', 'name_key']]) {
    await sql.raw(`CREATE INDEX catalog_entry_${name} ON catalog_entry (${order}, seq, category, classification) WHERE listed = 1`);
    await sql.raw(`CREATE INDEX catalog_entry_category_${name} ON catalog_entry (category, ${order}, seq, classification) WHERE listed = 1`);
  }
  await sql.raw('CREATE INDEX catalog_entry_trend ON catalog_entry (trend DESC, seq) WHERE trend > 0');
  await sql.raw('CREATE INDEX catalog_entry_mirrored ON catalog_entry (score DESC, seq) WHERE mirrored = 1');
  await sql.schema.createTable('catalog_total', (table) => {
    table.text('category').notNullable();
    table.text('classification').notNullable();
    table.integer('apps').notNullable();
    table.primary(['category', 'classification']);
  });
}

async function counters(sql: Knex, postgres: boolean): Promise<void> {
  await sql.schema.createTable('catalog_stats', (table) => {
    table.integer('seq').primary().references('catalog_entry.seq');
    /** Present installations of people who also opened the app. */
    table.integer('qualified').notNullable().defaultTo(0);
    table.integer('rating_count').notNullable().defaultTo(0);
    table.integer('rating_sum').notNullable().defaultTo(0);
    /** The day (days since 1970) from which the score has to be computed again; 0 when a counter has changed. */
    table.integer('score_due').notNullable().defaultTo(0);
  });
  await sql.raw('CREATE INDEX catalog_stats_due ON catalog_stats (score_due, seq)');
  await sql.raw(
    `CREATE TABLE catalog_day (
      seq integer NOT NULL REFERENCES catalog_entry (seq),
      day integer NOT NULL,
      installs integer NOT NULL DEFAULT 0,
      sessions integer NOT NULL DEFAULT 0,
      user_days integer NOT NULL DEFAULT 0,
      last_active integer NOT NULL DEFAULT 0,
      ratings integer NOT NULL DEFAULT 0,
      stars integer NOT NULL DEFAULT 0,
      PRIMARY KEY (seq, day)
    )${postgres ? '' : ' WITHOUT ROWID'}`,
  );
}

async function people(sql: Knex): Promise<void> {
  await sql.schema.createTable('catalog_use', (table) => {
    table.integer('seq').notNullable().references('catalog_entry.seq');
    table.text('user_id').notNullable();
    table.integer('active_days').notNullable();
    table.integer('last_day').notNullable();
    table.integer('sessions_on_last_day').notNullable();
    /** 1 while the user is among the qualified installs; the day on which they first were is kept, so that they are counted once in it. */
    table.integer('counted').notNullable().defaultTo(0);
    table.integer('qualified_day');
    table.primary(['seq', 'user_id']);
  });
  await sql.raw('CREATE INDEX catalog_use_user ON catalog_use (user_id)');
  await sql.schema.createTable('catalog_rating', (table) => {
    table.integer('seq').notNullable().references('catalog_entry.seq');
    table.text('user_id').notNullable();
    table.integer('stars').notNullable().checkBetween([1, 5], 'catalog_rating_stars');
    table.integer('day').notNullable();
    table.primary(['seq', 'user_id']);
  });
  await sql.raw('CREATE INDEX catalog_rating_user ON catalog_rating (user_id)');
  /** Rooms that a user installed an app into. */
  await sql.schema.createTable('catalog_room', (table) => {
    table.text('miniapp_id').notNullable().references('miniapp.miniapp_id');
    table.text('user_id').notNullable();
    table.text('room_id').notNullable();
    /** 1 where the room shows it as a widget because of this. */
    table.integer('widget').notNullable();
    table.primary(['miniapp_id', 'user_id', 'room_id']);
  });
  await sql.raw('CREATE INDEX catalog_room_room ON catalog_room (room_id, miniapp_id)');
  await sql.raw(`INSERT INTO catalog_room (miniapp_id, user_id, room_id, widget) SELECT miniapp_id, user_id, room_id, 0 FROM installation WHERE room_id IS NOT NULL AND state = 'installed'`);
}

/** Millionths of a star that an app without ratings counts as; the value that src/catalog/ranking.ts computes. */
const unratedMean = 3_500_000;

const shelved = ['status', 'category', 'classification', 'name', 'short_name', 'description', 'developer', 'marketing', 'version', 'published_at'];

/** `searchIdOf(0, seq)`. */
const unrankedSearchId = `${100 * 2 ** 31} + seq`;

async function sqliteSearch(sql: Knex): Promise<void> {
  await sql.raw(`CREATE VIRTUAL TABLE catalog_search USING fts5 (name, keywords, words, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2', prefix='2 3 4')`);
  const seqOfNew = '(SELECT seq FROM catalog_entry WHERE miniapp_id = NEW.miniapp_id)';
  const index = `INSERT INTO catalog_search (rowid, name, keywords, words)
    SELECT e.search_id, m.name || ' ' || coalesce(m.short_name, ''), coalesce(json_extract(m.marketing, '$.keywords'), ''),
      m.description || ' ' || coalesce(json_extract(m.marketing, '$.short_description'), '') || ' ' || coalesce(json_extract(m.marketing, '$.long_description'), '') || ' ' || coalesce(json_extract(m.developer, '$.company_name'), '')
    FROM catalog_entry e JOIN miniapp m ON m.miniapp_id = e.miniapp_id WHERE e.miniapp_id = NEW.miniapp_id AND m.status = 'active';`;
  const count = `INSERT INTO catalog_total (category, classification, apps) SELECT NEW.category, NEW.classification, 1 WHERE NEW.status = 'active'
    ON CONFLICT (category, classification) DO UPDATE SET apps = apps + 1;`;
  await sql.raw(`CREATE TRIGGER catalog_moved AFTER UPDATE OF search_id ON catalog_entry WHEN NEW.search_id <> OLD.search_id BEGIN
    DELETE FROM catalog_search WHERE rowid = OLD.search_id AND OLD.search_id <> 0 AND NEW.listed = 1;
    ${index}
  END`);
  await sql.raw(`CREATE TRIGGER catalog_added AFTER INSERT ON miniapp BEGIN
    INSERT INTO catalog_entry (miniapp_id, listed, category, classification, name_key, published_at, released_at, rating_mean)
      VALUES (NEW.miniapp_id, NEW.status = 'active', NEW.category, NEW.classification, lower(NEW.name), coalesce(NEW.published_at, 0), coalesce(NEW.published_at, 0), ${unratedMean});
    INSERT INTO catalog_stats (seq) VALUES (${seqOfNew});
    UPDATE catalog_entry SET search_id = ${unrankedSearchId} WHERE miniapp_id = NEW.miniapp_id;
    ${count}
  END`);
  await sql.raw(`CREATE TRIGGER catalog_changed AFTER UPDATE OF ${shelved.join(', ')} ON miniapp BEGIN
    UPDATE catalog_entry SET listed = NEW.status = 'active', category = NEW.category, classification = NEW.classification, name_key = lower(NEW.name), published_at = coalesce(NEW.published_at, 0),
      released_at = CASE WHEN NEW.published_at IS NOT NULL AND (OLD.published_at IS NULL OR NEW.version <> OLD.version) THEN NEW.updated_at ELSE released_at END,
      trend = CASE WHEN NEW.status = 'active' THEN trend ELSE 0 END
      WHERE miniapp_id = NEW.miniapp_id;
    UPDATE catalog_stats SET score_due = 0 WHERE seq = ${seqOfNew};
    DELETE FROM catalog_search WHERE rowid = (SELECT search_id FROM catalog_entry WHERE miniapp_id = OLD.miniapp_id) AND OLD.status = 'active';
    ${index}
    UPDATE catalog_total SET apps = apps - 1 WHERE category = OLD.category AND classification = OLD.classification AND OLD.status = 'active';
    ${count}
  END`);
}

async function postgresSearch(sql: Knex): Promise<void> {
  await sql.raw('CREATE INDEX catalog_entry_search ON catalog_entry USING gin (search) WHERE listed = 1');
  // Letters without their marks, and no punctuation for the parser to make compounds of: the words that SQLite's tokenizer sees.
  await sql.raw(`CREATE FUNCTION catalog_words(words text) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
    SELECT to_tsvector('pg_catalog.simple', regexp_replace(normalize(regexp_replace(normalize(lower(coalesce(words, '')), NFKD), '[\\u0300-\\u036f]', '', 'g'), NFC), '[!-/:-@[-\`{-~]+', ' ', 'g'))
  $$`);
  await sql.raw(`CREATE FUNCTION catalog_text(app miniapp) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
    SELECT setweight(catalog_words(app.name || ' ' || coalesce(app.short_name, '')), 'A') || setweight(catalog_words(app.marketing::jsonb ->> 'keywords'), 'B')
      || setweight(catalog_words(concat_ws(' ', app.description, app.marketing::jsonb ->> 'short_description', app.marketing::jsonb ->> 'long_description', app.developer::jsonb ->> 'company_name')), 'C')
  $$`);
  await sql.raw(`CREATE FUNCTION catalog_sync() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'INSERT' THEN
        INSERT INTO catalog_entry (miniapp_id, listed, category, classification, name_key, published_at, released_at, rating_mean, search)
          VALUES (NEW.miniapp_id, (NEW.status = 'active')::int, NEW.category, NEW.classification, lower(NEW.name), coalesce(NEW.published_at, 0), coalesce(NEW.published_at, 0), ${unratedMean}, catalog_text(NEW));
        INSERT INTO catalog_stats (seq) SELECT seq FROM catalog_entry WHERE miniapp_id = NEW.miniapp_id;
      ELSE
        UPDATE catalog_stats SET score_due = 0 WHERE seq = (SELECT seq FROM catalog_entry WHERE miniapp_id = NEW.miniapp_id);
        UPDATE catalog_entry SET listed = (NEW.status = 'active')::int, category = NEW.category, classification = NEW.classification, name_key = lower(NEW.name), published_at = coalesce(NEW.published_at, 0),
          released_at = CASE WHEN NEW.published_at IS NOT NULL AND (OLD.published_at IS NULL OR NEW.version <> OLD.version) THEN NEW.updated_at ELSE released_at END,
          trend = CASE WHEN NEW.status = 'active' THEN trend ELSE 0 END, search = catalog_text(NEW)
          WHERE miniapp_id = NEW.miniapp_id;
        IF OLD.status = 'active' THEN
          UPDATE catalog_total SET apps = apps - 1 WHERE category = OLD.category AND classification = OLD.classification;
        END IF;
      END IF;
      IF NEW.status = 'active' THEN
        INSERT INTO catalog_total AS t (category, classification, apps) VALUES (NEW.category, NEW.classification, 1) ON CONFLICT (category, classification) DO UPDATE SET apps = t.apps + 1;
      END IF;
      RETURN NULL;
    END
  $$`);
  await sql.raw(`CREATE TRIGGER catalog_sync AFTER INSERT OR UPDATE OF ${shelved.join(', ')} ON miniapp FOR EACH ROW EXECUTE FUNCTION catalog_sync()`);
}

/** Apps that are there already: as the triggers would have done it. The catalogue room showed all of them but drafts. */
async function adoptRegistry(sql: Knex, postgres: boolean): Promise<void> {
  const active = postgres ? `(status = 'active')::int` : `status = 'active'`;
  const mirrored = postgres ? `(status <> 'draft')::int` : `status <> 'draft'`;
  await sql.raw(`INSERT INTO catalog_entry (miniapp_id, listed, category, classification, name_key, published_at, released_at, rating_mean, mirrored)
    SELECT miniapp_id, ${active}, category, classification, lower(name), coalesce(published_at, 0), coalesce(published_at, 0), ${unratedMean}, ${mirrored} FROM miniapp ORDER BY created_at, miniapp_id`);
  await sql.raw('INSERT INTO catalog_stats (seq) SELECT seq FROM catalog_entry');
  await sql.raw(`INSERT INTO catalog_total (category, classification, apps) SELECT category, classification, count(*) FROM miniapp WHERE status = 'active' GROUP BY category, classification`);
  if (postgres) {
    await sql.raw('UPDATE catalog_entry SET search = catalog_text(m) FROM miniapp m WHERE m.miniapp_id = catalog_entry.miniapp_id');
    return;
  }
  // The trigger indexes them.
  await sql.raw(`UPDATE catalog_entry SET search_id = ${unrankedSearchId}`);
}
