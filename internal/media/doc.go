// Package media fetches the files that messages refer to, when somebody wants
// their bytes: once per file, however many want it, from where it is kept, else
// from WhatsApp, else by way of the phone. What was fetched is kept in the bucket
// of the instance if it has one, else on the local disk for a while.
//
// Files pass through the disk, never whole through memory; Budget is for those
// who have to build something of their bytes. The package knows neither SQL nor
// WhatsApp nor S3: Store, Source, Shelf and Bucket are its own interfaces.
package media
