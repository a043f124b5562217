// Sends a message with nodemailer, octets as they are in the file. Its one argument is JSON:
// {transport: as nodemailer has it, envelope: {from, to}, file}.
"use strict";
const fs = require("fs");
const nodemailer = require("nodemailer");

const wanted = JSON.parse(process.argv[2]);
nodemailer.createTransport(wanted.transport)
	.sendMail({ envelope: wanted.envelope, raw: fs.createReadStream(wanted.file) })
	.then((info) => console.log(info.response))
	.catch((error) => {
		console.error(error.message);
		process.exit(1);
	});
